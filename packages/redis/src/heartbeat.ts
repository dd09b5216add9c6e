import type { Redis } from 'ioredis'

/** How often to ping, in milliseconds. */
const PING_MS = 5_000

/**
 * Reconnects when a connection has received nothing since the previous ping: the other end vanished without closing it (a host
 * that lost power, an address that moved). Linux would keep retransmitting for a quarter of an hour (tcp_retries2), while
 * everything written piles up in memory. Not for connections with blocking commands.
 * @see https://docs.kernel.org/networking/ip-sysctl.html
 */
export function renewWhenSilent(redis: Redis): void {
  let previous: { stream: Redis['stream']; bytesRead: number } | undefined
  const timer = setInterval(() => {
    if (redis.status !== 'ready') return
    const { stream } = redis
    const { bytesRead } = stream
    if (previous?.stream === stream && previous.bytesRead === bytesRead) redis.disconnect(true)
    else redis.ping().catch(() => undefined)
    previous = { stream, bytesRead }
  }, PING_MS)
  timer.unref()
  redis.once('end', () => clearInterval(timer))
}

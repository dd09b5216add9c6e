import type { Redis } from 'ioredis'

/** How often a connection is asked whether it still stands, in milliseconds. */
const PING_MS = 5_000

/**
 * Makes a connection anew that has brought nothing in the time after a ping: its other end is gone without a word (a host
 * without power, an address that moved), and Linux would go on sending to it for a quarter of an hour (tcp_retries2), with
 * all that is written meanwhile waiting in memory. For connections on which no command blocks.
 * @see https://docs.kernel.org/networking/ip-sysctl.html
 */
export function renewWhenSilent(redis: Redis): void {
  let before: { stream: Redis['stream']; bytesRead: number } | undefined
  const timer = setInterval(() => {
    if (redis.status !== 'ready') return
    const { stream } = redis
    const { bytesRead } = stream
    if (before?.stream === stream && before.bytesRead === bytesRead) redis.disconnect(true)
    else redis.ping().catch(() => undefined)
    before = { stream, bytesRead }
  }, PING_MS)
  timer.unref()
  redis.once('end', () => clearInterval(timer))
}

import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy in front of a service, for simulating network faults. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Replaces host and port in a URL such as redis://127.0.0.1:6379/0 with the proxy's. */
  rewrite(url: string): string
  /** Closes every connection and refuses new ones. */
  cut(): void
  /** Holds back all bytes in both directions without closing anything: a network that has gone silent. */
  stall(): void
  /** Silences the open connections for good, while new ones work: a peer that has lost power. */
  strand(): void
  /** Undoes cut() and stall(). */
  restore(): void
  /** Delays all data in both directions by this many ms; 0 for none. */
  latency(ms: number): void
  /** Connects new connections to another service; open ones are unaffected. */
  redirect(target: Address): void
}

interface Address {
  host: string
  port: number
}

/** Starts a proxy to `target` on a free loopback port. */
export async function tcpProxy(target: Address): Promise<TcpProxy> {
  let to = target
  const sockets = new Set<Socket>()
  let cut = false
  let stalled = false
  let delayMs = 0
  const hold = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => sockets.delete(socket))
    if (stalled) socket.pause()
  }
  const server = createServer((client) => {
    if (cut) return void client.destroy()
    const upstream = connect(to)
    pass(client, upstream, () => delayMs)
    pass(upstream, client, () => delayMs)
    hold(client)
    hold(upstream)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const dropAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port,
    rewrite: (url) => {
      const rewritten = new URL(url)
      rewritten.hostname = '127.0.0.1'
      rewritten.port = String(port)
      return rewritten.href
    },
    cut: () => {
      cut = true
      dropAll()
    },
    stall: () => {
      stalled = true
      for (const socket of sockets) socket.pause()
    },
    strand: () => {
      for (const socket of sockets) socket.pause()
    },
    restore: () => {
      cut = false
      stalled = false
      for (const socket of sockets) socket.resume()
    },
    latency: (ms) => {
      delayMs = ms
    },
    redirect: (next) => {
      to = next
    },
    [Symbol.asyncDispose]: async () => {
      cut = true
      dropAll()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Copies one direction of a connection. Delayed data waits in a queue, which preserves the order of bytes. */
function pass(from: Socket, to: Socket, delayMs: () => number): void {
  const queue: { due: number; write: () => void }[] = []
  let timer: NodeJS.Timeout | undefined
  const drain = () => {
    timer = undefined
    for (let item = queue[0]; item !== undefined && item.due <= Date.now(); item = queue[0]) {
      queue.shift()
      if (to.writable) item.write()
    }
    const [waiting] = queue
    if (waiting !== undefined) timer = setTimeout(drain, Math.max(1, waiting.due - Date.now()))
  }
  const later = (write: () => void) => {
    queue.push({ due: Date.now() + delayMs(), write })
    if (timer === undefined) drain()
  }
  from.on('data', (chunk) => later(() => to.write(chunk)))
  from.on('end', () => later(() => to.end()))
  from.once('close', (failed) => {
    if (failed) to.destroy()
  })
  to.once('close', () => clearTimeout(timer))
}

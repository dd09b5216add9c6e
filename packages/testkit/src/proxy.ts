import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy in front of a service, for tests that disturb the network. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** The proxy's host:port in place of the target's, in an address such as redis://127.0.0.1:6379/0. */
  rewrite(url: string): string
  /** Drops every connection and refuses new ones. */
  cut(): void
  /** Lets bytes wait where they are, both ways, without closing anything: a network that has gone silent. */
  stall(): void
  /** Leaves the connections that are open without an answer for good; new ones pass. A peer that has lost its power. */
  strand(): void
  /** Undoes cut and stall. */
  restore(): void
  /** Delays every piece of data, both ways, by this many ms; 0 for none. */
  latency(ms: number): void
  /** Connects to another service from now on; connections that are open stay where they are. */
  redirect(target: Address): void
}

interface Address {
  host: string
  port: number
}

/** Starts a proxy on a free loopback port towards `target`. */
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

/** Copies one direction of a connection. What is delayed waits in one queue, so that bytes keep their order. */
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

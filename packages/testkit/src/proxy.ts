import { connect, createServer, type Server, type Socket } from 'node:net'
import { listenOnLoopback } from './listen.ts'

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
  const server = createServer()
  return new LoopbackProxy(server, await listenOnLoopback(server), target)
}

class LoopbackProxy implements TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #target: Address
  #cut = false
  #stalled = false
  #delayMs = 0

  constructor(server: Server, port: number, target: Address) {
    this.#server = server
    this.port = port
    this.#target = target
    server.on('connection', (client) => this.#accept(client))
  }

  rewrite(url: string): string {
    const rewritten = new URL(url)
    rewritten.hostname = '127.0.0.1'
    rewritten.port = String(this.port)
    return rewritten.href
  }

  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  stall(): void {
    this.#stalled = true
    this.strand()
  }

  strand(): void {
    for (const socket of this.#sockets) socket.pause()
  }

  restore(): void {
    this.#cut = false
    this.#stalled = false
    for (const socket of this.#sockets) socket.resume()
  }

  latency(ms: number): void {
    this.#delayMs = ms
  }

  redirect(target: Address): void {
    this.#target = target
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(client: Socket): void {
    if (this.#cut) return void client.destroy()
    const upstream = connect(this.#target)
    pass(client, upstream, () => this.#delayMs)
    pass(upstream, client, () => this.#delayMs)
    this.#hold(client)
    this.#hold(upstream)
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#sockets.delete(socket))
    if (this.#stalled) socket.pause()
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

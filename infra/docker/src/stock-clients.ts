import { io, type Socket } from 'socket.io-client'

/** Stock Socket.IO clients without a cookie jar, which are all closed on dispose. */
export class StockClients implements Disposable {
  readonly #sockets: Socket[] = []
  /** The first transport and the reason of each client that was disconnected before it was closed. */
  readonly cut: string[] = []

  /** Resolves when the client is connected. */
  async connect(url: string, token: string, transports: string[]): Promise<Socket> {
    const socket = io(url, { auth: { token }, transports, forceNew: true, reconnectionDelayMax: 1_000 })
    this.#sockets.push(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    })
    socket.on('disconnect', (reason) => this.cut.push(`${transports[0]}: ${reason}`))
    return socket
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.splice(0)) socket.off('disconnect').close()
  }
}

/**
 * Sends one request after the other.
 * @returns `end`, which stops and resolves to the distinct statuses and errors seen
 */
export function keepAsking(url: string): { end(): Promise<(number | string)[]> } {
  const seen = new Set<number | string>()
  let going = true
  const asking = (async () => {
    while (going) {
      await fetch(url).then(
        async (answer) => {
          await answer.text()
          seen.add(answer.status)
        },
        (error) => seen.add(String(error)),
      )
    }
  })()
  return {
    end: async () => {
      going = false
      await asking
      return [...seen]
    },
  }
}

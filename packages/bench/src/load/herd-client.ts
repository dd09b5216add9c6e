import { WebSocket } from 'ws'
import type { HerdUser } from './herd-message.ts'

type Answer = { success: boolean; data?: unknown; message?: string }

/** A user of a herd: keeps a connection, sends occasional requests, and counts incoming events. */
export class HerdClient {
  readonly user: HerdUser
  /** Events by name; callers clear it before they count. */
  readonly counted = new Map<string, number>()
  onCounted: (() => void) | undefined
  #ws: WebSocket | undefined
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #localAddress: string | undefined
  #nextId = 0

  constructor(user: HerdUser, localAddress: string | undefined) {
    this.user = user
    this.#localAddress = localAddress
  }

  get connected(): boolean {
    return this.#ws?.readyState === WebSocket.OPEN
  }

  /** Resolves when the server has accepted the connection. */
  connect(): Promise<void> {
    const url = `${this.user.gateway.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`
    const local = this.#localAddress === undefined ? {} : { localAddress: this.#localAddress }
    const ws = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true, ...local })
    this.#ws = ws
    return new Promise<void>((resolve, reject) => {
      ws.once('close', () => reject(new Error('closed while connecting')))
      ws.on('error', reject)
      ws.on('message', (data: Buffer) => {
        if (data[0] === 0x32) ws.send('3')
        else if (data[0] === 0x30) ws.send(`40${JSON.stringify(this.user.auth)}`)
        else if (data[1] === 0x30) resolve()
        else if (data[1] === 0x34) reject(new Error(data.toString()))
        else if (data[1] === 0x33) this.#onAck(data.toString())
        else if (data[1] === 0x32) this.#onEvent(data)
      })
    })
  }

  emit(event: string, payload: unknown): Promise<Answer> {
    const id = this.#nextId++
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      this.#ws?.send(`42${id}${JSON.stringify([event, payload])}`)
    })
  }

  drop(): void {
    this.#waiting.clear()
    this.#ws
      ?.removeAllListeners('error')
      .on('error', () => undefined)
      .terminate()
    this.#ws = undefined
  }

  #onAck(text: string): void {
    const at = text.indexOf('[')
    const id = Number(text.slice(2, at))
    const resolve = this.#waiting.get(id)
    this.#waiting.delete(id)
    const [answer] = JSON.parse(text.slice(at)) as [Answer]
    resolve?.(answer)
  }

  #onEvent(data: Buffer): void {
    const name = data.toString('latin1', 4, data.indexOf(0x22, 4))
    this.counted.set(name, (this.counted.get(name) ?? 0) + 1)
    this.onCounted?.()
  }
}

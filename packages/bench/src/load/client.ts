import { WebSocket } from 'ws'
import type { LoadUser } from './message.ts'

const FOUR = 0x34
const TWO = 0x32
const THREE = 0x33
const EVENT = Buffer.from('42["newMessage"')
const CONTENT = Buffer.from('"content":"')
const SUCCESS = Buffer.from('{"success":true')

export interface ClientCounters {
  onAck(success: boolean, latencyMs: number): void
  onDelivery(latencyMs: number): void
}

/**
 * A user: speaks the Socket.IO protocol directly over a WebSocket, with as little work per message as possible, so that the
 * generator is not the bottleneck.
 * @see https://socket.io/docs/v4/socket-io-protocol/
 */
export class LoadClient {
  #ws: WebSocket | undefined
  readonly #user: LoadUser
  readonly #counters: ClientCounters
  readonly #sentAt = new Map<number, number>()
  readonly #padding: string
  #nextId = 0

  constructor(user: LoadUser, contentBytes: number, counters: ClientCounters) {
    this.#user = user
    this.#counters = counters
    this.#padding = 'x'.repeat(contentBytes)
  }

  /** Resolves when the server has accepted the connection. */
  connect(): Promise<void> {
    const url = `${this.#user.gateway.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`
    const ws = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true })
    this.#ws = ws
    return new Promise<void>((resolve, reject) => {
      ws.once('close', () => reject(new Error('closed while connecting')))
      ws.on('error', reject)
      const onMessage = (data: Buffer) => {
        if (data[0] === 0x30) ws.send(`40${JSON.stringify(this.#user.auth)}`)
        else if (data[0] === FOUR && data[1] === 0x30) {
          ws.off('message', onMessage)
          ws.on('message', (frame: Buffer) => this.#onFrame(frame))
          resolve()
        } else if (data[0] === FOUR && data[1] === FOUR) reject(new Error(data.toString()))
      }
      ws.on('message', onMessage)
    })
  }

  get waiting(): number {
    return this.#sentAt.size
  }

  send(): void {
    const id = this.#nextId++
    const now = performance.now()
    this.#sentAt.set(id, now)
    const content = (now.toFixed(2) + this.#padding).slice(0, this.#padding.length)
    const body = `{"conversationId":"${this.#user.conversationId}","content":"${content}","type":"TEXT"}`
    this.#ws?.send(`42${id}["sendMessage",${body}]`)
  }

  #onFrame(frame: Buffer): void {
    if (frame[0] === TWO) this.#ws?.send('3')
    else if (frame[0] === FOUR && frame[1] === THREE) this.#onAck(frame)
    else if (frame.length > EVENT.length && frame.compare(EVENT, 0, EVENT.length, 0, EVENT.length) === 0) {
      const at = frame.indexOf(CONTENT) + CONTENT.length
      this.#counters.onDelivery(performance.now() - Number.parseFloat(frame.toString('latin1', at, at + 16)))
    }
  }

  /** `43<id>[{"success":true,...}]` */
  #onAck(frame: Buffer): void {
    let id = 0
    let at = 2
    for (let digit = frame[at] ?? 0; digit >= 0x30 && digit <= 0x39; digit = frame[++at] ?? 0)
      id = id * 10 + digit - 0x30
    const sentAt = this.#sentAt.get(id)
    if (sentAt === undefined) return
    this.#sentAt.delete(id)
    const success = frame.compare(SUCCESS, 0, SUCCESS.length, at + 1, at + 1 + SUCCESS.length) === 0
    this.#counters.onAck(success, performance.now() - sentAt)
  }
}

import type { ServerEventName, ServerEvents } from '@parley/protocol'

/**
 * What travels from process to process besides the adapter's own packets:
 *
 *     ~origin|seq|control\n42["event",payload]
 *
 * The part after the newline is the WebSocket text frame as clients get it (Engine.IO `4` message, Socket.IO `2` event),
 * encoded once where it is published and written as it stands everywhere else. It may be empty: then the frame only
 * steers gateways.
 */
export interface Frame {
  /** The process that published it. */
  origin: string
  /** Place in the conversation's order; 0 for what has no place in it. */
  seq: number
  control: Control | null
  /** `42[...]`, or empty. */
  packet: Buffer
}

export interface JoinRequest {
  userId: string
  conversationId: string
  /** Messages the conversation had when the person was put into it. */
  lastSeq: number
}

/** What gateways obey when the frame arrives, before its packet is delivered. */
export interface Control {
  /** On a person's channel: their sockets join this conversation, which had `lastSeq` messages then. */
  join?: JoinRequest
  /** On a person's channel: their sockets leave this conversation. */
  leave?: { userId: string; conversationId: string }
  /** On a conversation's channel: these people's sockets leave it. */
  leaving?: string[]
  /** On the channel of all gateways: the people to whose sockets the packet goes. */
  people?: string[]
}

const TILDE = 0x7e
const NEWLINE = 0x0a
const EMPTY = Buffer.alloc(0)

/** The WebSocket text of an event. */
export function encodeEvent<Name extends ServerEventName>(event: Name, payload: ServerEvents[Name]): Buffer {
  return Buffer.from(`42${JSON.stringify([event, payload])}`)
}

export function encodeFrame(frame: Frame): Buffer {
  const control = frame.control === null ? '' : JSON.stringify(frame.control)
  const head = Buffer.from(`~${frame.origin}|${frame.seq}|${control}\n`)
  return Buffer.concat([head, frame.packet])
}

/** True for what {@link encodeFrame} made; the adapter's packets begin with `{` or a msgpack map. */
export function isFrame(raw: Buffer): boolean {
  return raw[0] === TILDE
}

/** Undefined for what is not a whole frame. */
export function decodeFrame(raw: Buffer): Frame | undefined {
  const newline = raw.indexOf(NEWLINE)
  if (!isFrame(raw) || newline === -1) return undefined
  const head = raw.toString('utf8', 1, newline)
  const first = head.indexOf('|')
  const second = head.indexOf('|', first + 1)
  const seq = Number(head.slice(first + 1, second))
  if (first === -1 || second === -1 || !Number.isSafeInteger(seq)) return undefined
  try {
    const control = second + 1 === head.length ? null : (JSON.parse(head.slice(second + 1)) as Control)
    const packet = newline + 1 === raw.length ? EMPTY : raw.subarray(newline + 1)
    return { origin: head.slice(0, first), seq, control, packet }
  } catch {
    return undefined
  }
}

import type { ServerEventName, ServerEvents } from '@parley/protocol'

/**
 * What travels from process to process besides the adapter's own packets:
 *
 *     ~origin|seq|sizes|control\n42["event",payload]42["event",payload]…
 *
 * What follows the newline are packets as clients get them in a WebSocket text frame (Engine.IO `4` message, Socket.IO `2`
 * event), encoded once where they are published and written as they stand everywhere else. There may be none: then the
 * frame only steers gateways. Of several, `sizes` says where each but the last ends.
 */
export interface Frame {
  /** The process that published it. */
  origin: string
  /** Place of the first packet in the conversation's order, those after it follow; 0 for what has no place in it. */
  seq: number
  /** Obeyed before the packets are delivered. */
  control: Control | null
  /** `42[...]` each. */
  packets: readonly Buffer[]
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
  /** The trace that the frame's one packet belongs to. */
  trace?: string
}

const TILDE = 0x7e
const NEWLINE = 0x0a

/** The WebSocket text of an event. */
export function encodeEvent<Name extends ServerEventName>(event: Name, payload: ServerEvents[Name]): Buffer {
  return Buffer.from(`42${JSON.stringify([event, payload])}`)
}

export function encodeFrame({ origin, seq, control, packets }: Frame): Buffer {
  const sizes = packets.slice(0, -1).map((packet) => packet.length)
  const head = Buffer.from(`~${origin}|${seq}|${sizes.join()}|${control === null ? '' : JSON.stringify(control)}\n`)
  return Buffer.concat([head, ...packets])
}

/** True for what {@link encodeFrame} made; the adapter's packets begin with `{` or a msgpack map. */
export function isFrame(raw: Buffer): boolean {
  return raw[0] === TILDE
}

/** Undefined for what is not a whole frame. The packets are views of `raw`. */
export function decodeFrame(raw: Buffer): Frame | undefined {
  const newline = raw.indexOf(NEWLINE)
  if (!isFrame(raw) || newline === -1) return undefined
  // The control, which comes last, may hold anything.
  const [origin, seq, sizes, ...control] = raw.toString('utf8', 1, newline).split('|')
  const packets = cut(raw.subarray(newline + 1), sizes ?? '')
  if (origin === undefined || control.length === 0 || !Number.isSafeInteger(Number(seq))) return undefined
  if (packets === undefined) return undefined
  try {
    return { origin, seq: Number(seq), control: parseControl(control.join('|')), packets }
  } catch {
    return undefined
  }
}

function parseControl(text: string): Control | null {
  return text === '' ? null : (JSON.parse(text) as Control)
}

/** Undefined where the sizes do not fit. */
function cut(packets: Buffer, sizes: string): Buffer[] | undefined {
  if (sizes === '') return packets.length === 0 ? [] : [packets]
  const parts: Buffer[] = []
  let from = 0
  for (const size of sizes.split(',')) {
    const to = from + Number(size)
    if (!(to > from && to < packets.length)) return undefined
    parts.push(packets.subarray(from, to))
    from = to
  }
  return [...parts, packets.subarray(from)]
}

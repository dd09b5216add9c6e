import type { ArrivalRooms } from './arrivals.ts'
import { cutPackets, type Packet } from './packet.ts'

/**
 * What travels from process to process besides the adapter's own packets:
 *
 *     ~origin|seq|control\n<packet><packet>…
 *
 * What follows the newline are packets (packet.ts), encoded once where they are published and written to sockets as they
 * stand everywhere else. There may be none: then the frame only steers gateways.
 */
export interface Frame {
  /** The process that published it. */
  origin: string
  /** Place of the first packet in the conversation's order, those after it follow; 0 for what has no place in it. */
  seq: number
  /** Obeyed before the packets are delivered. */
  control: Control | null
  packets: readonly Packet[]
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
  /**
   * On a person's channel: their sockets leave this conversation, as its message `seq` tells (left out by what is not
   * upgraded yet).
   */
  leave?: { userId: string; conversationId: string; seq?: number }
  /** On a conversation's channel: these people's sockets leave it. */
  leaving?: string[]
  /** On the channel of all gateways: the people to whose sockets the packet goes. */
  people?: string[]
  /** On the channel of all gateways: who came online, one for each packet, and the rooms whose sockets it goes to. */
  arrivals?: ArrivalRooms[]
  /** The trace that the frame's one packet belongs to. */
  trace?: string
}

const TILDE = 0x7e
const NEWLINE = 0x0a
const BAR = 0x7c

/** As it travels through Redis; {@link decodeFrame} reads it. */
export function encodeFrame({ origin, seq, control, packets }: Frame): Buffer {
  const head = Buffer.from(`~${origin}|${seq}|${control === null ? '' : JSON.stringify(control)}\n`)
  return Buffer.concat([head, ...packets])
}

/** True for what {@link encodeFrame} made; the adapter's packets begin with `{` or a msgpack map. */
export function isFrame(raw: Buffer): boolean {
  return raw[0] === TILDE
}

/** True for a frame that this process published: it need not be looked at any further. */
export function isFrameOf(raw: Buffer, origin: string): boolean {
  return (
    raw.length > origin.length + 1 &&
    raw[origin.length + 1] === BAR &&
    raw.toString('latin1', 1, origin.length + 1) === origin
  )
}

/** Undefined for what is not a whole frame. The packets are views of `raw`. */
export function decodeFrame(raw: Buffer): Frame | undefined {
  const newline = raw.indexOf(NEWLINE)
  if (!isFrame(raw) || newline === -1) return undefined
  // The control, which comes last, may hold anything.
  const [origin, seq, ...control] = raw.toString('utf8', 1, newline).split('|')
  const packets = cutPackets(raw.subarray(newline + 1))
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

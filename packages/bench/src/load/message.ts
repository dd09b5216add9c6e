/** Messages to the load generator's process over IPC, and its answers. */
export interface LoadPlan {
  /** One entry per user. */
  users: LoadUser[]
  /** The number of sends that each user keeps in flight. */
  inFlight: number
  /** How many of the users send, while the others only listen; default: all. */
  senders?: number
  contentBytes: number
  /** Sends per second of all users together; by default as many as are acked (closed loop). */
  ratePerSecond?: number
}

/** The duration of a run in milliseconds; nothing is counted during the warm-up. */
export interface LoadTimes {
  warmMs: number
  measureMs: number
}

/** Sent by the generator when all clients are connected, and when the measurement begins and ends. */
export type LoadPhase = 'connected' | 'began' | 'ended'

export interface LoadUser {
  /** http://host:port of the gateway this user connects to. */
  gateway: string
  /** The payload of the CONNECT packet. */
  auth: Record<string, string>
  conversationId: string
  /** The number of members of the conversation. */
  roomSize: number
}

export interface LoadResult {
  /** During the measurement. */
  ackedPerSec: number
  deliveredPerSec: number
  /** Send to ack, in milliseconds. */
  ack: { p50Ms: number; p99Ms: number }
  /** Send to `newMessage`, in milliseconds. */
  delivery: { p50Ms: number; p99Ms: number }
  /** The whole run, including warm-up and end. */
  acked: number
  failed: number
  delivered: number
  /** The number of deliveries that the acked messages require. */
  due: number
  /** The share of one core that the generator itself used during the measurement. */
  generatorCpu: number
}

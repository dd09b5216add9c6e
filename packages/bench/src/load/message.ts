/** What the load generator's process is told, and what it answers, over IPC. */
export interface LoadPlan {
  /** One for each user. */
  users: LoadUser[]
  /** Sends that each user keeps in flight. */
  inFlight: number
  /** So many of the users send, and the others only listen; all where it is left out. */
  senders?: number
  contentBytes: number
  /** Sends a second of all users together; as many as are acked when it is left out (closed loop). */
  ratePerSecond?: number
}

/** One time under load, in milliseconds; nothing is counted in the first of them. */
export interface LoadTimes {
  warmMs: number
  measureMs: number
}

/** Sent by the generator when all are connected, and when the measured time begins and ends. */
export type LoadPhase = 'connected' | 'began' | 'ended'

export interface LoadUser {
  /** http://host:port of the gateway this user connects to. */
  gateway: string
  /** What the CONNECT packet carries. */
  auth: Record<string, string>
  conversationId: string
  /** People in the conversation. */
  roomSize: number
}

export interface LoadResult {
  /** In the measured time. */
  ackedPerSec: number
  deliveredPerSec: number
  /** Send to ack, in milliseconds. */
  ack: { p50Ms: number; p99Ms: number }
  /** Send to `newMessage`, in milliseconds. */
  delivery: { p50Ms: number; p99Ms: number }
  /** Of the whole time under load, warm-up and end included. */
  acked: number
  failed: number
  delivered: number
  /** Deliveries that the acked messages make due. */
  due: number
  /** Share of one core that the generator itself used in the measured time. */
  generatorCpu: number
}

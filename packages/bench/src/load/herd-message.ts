/** Messages to the herd's process over IPC, one request at a time, and its answers. */
export interface HerdUser {
  /** http://host:port of the gateway this user connects to. */
  gateway: string
  /** The payload of the CONNECT packet. */
  auth: Record<string, string>
  /** The revs for `sync`; null if the server has no such event. */
  known: Record<string, number> | null
  /** The number of messages that the first sync after a storm must return. */
  missed: number
}

export type HerdRequest =
  | { type: 'add'; users: HerdUser[] }
  /** Connects all who are not connected, `atOnce` at a time, and syncs each. */
  | { type: 'connect'; atOnce: number }
  /** Sets the number of messages that each user's next sync must return. */
  | { type: 'expect'; missed: number[] }
  /** Drops all connections abruptly. */
  | { type: 'drop' }
  /** Every user sends the event at once; done when all acks and `events` events named `awaited` have arrived. */
  | { type: 'emit'; event: string; payload: unknown; awaited: string; events: number }

export interface HerdAnswer {
  /** From the first action to the last awaited result. */
  seconds: number
  /** From each user's own start to their end, in milliseconds. */
  p50Ms: number
  p99Ms: number
  /** The share of one core that the herd itself used. */
  cpu: number
  /** Connections that were rejected and retried. */
  retries: number
  /** What went wrong; empty if nothing did. */
  faults: string[]
}

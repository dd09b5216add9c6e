/** What the herd's process is told over IPC, one request at a time, and what it answers. */
export interface HerdUser {
  /** http://host:port of the gateway this user connects to. */
  gateway: string
  /** What the CONNECT packet carries. */
  auth: Record<string, string>
  /** Revs for `sync`; null for a server that has no such event. */
  known: Record<string, number> | null
  /** Messages that the first sync after a storm has to bring. */
  missed: number
}

export type HerdRequest =
  | { type: 'add'; users: HerdUser[] }
  /** Connects all who are not connected, so many at a time, and has each sync. */
  | { type: 'connect'; atOnce: number }
  /** Says how many messages each user's next sync has to bring, and from which revs. */
  | { type: 'expect'; missed: number[] }
  /** Cuts all connections without a word. */
  | { type: 'drop' }
  /** Every user sends the event at the same time; done when all acks and `events` events named `awaited` are there. */
  | { type: 'emit'; event: string; payload: unknown; awaited: string; events: number }

export interface HerdAnswer {
  /** From the first thing done to the last thing awaited. */
  seconds: number
  /** From a user's own beginning to their end, in milliseconds. */
  p50Ms: number
  p99Ms: number
  /** Share of one core that the herd itself used. */
  cpu: number
  /** Connections that were put off and tried again. */
  retries: number
  /** What was not as it should be; empty when all is whole. */
  faults: string[]
}

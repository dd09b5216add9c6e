/** What a reading process is told over IPC. */
export interface ReadPlan {
  kind: 'http' | 'pg'
  what: 'history' | 'list'
  /** Of the api. */
  api: string
  databaseUrl: string
  /** Requests under way at a time. */
  inFlight: number
  warmMs: number
  measureMs: number
  /** Who reads what; gone through from the beginning again when it ends. */
  readers: { userId: string; token: string; conversationId: string; lastSeq: number }[]
}

export interface ReadResult {
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** Share of one core that the reader itself used. */
  cpu: number
  /** Rows or items that came, for each request. */
  itemsEach: number
}

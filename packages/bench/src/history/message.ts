/** The task of a reading process, sent over IPC. */
export interface ReadPlan {
  kind: 'http' | 'pg'
  what: 'history' | 'list'
  /** The api's URL. */
  api: string
  databaseUrl: string
  /** The number of concurrent requests. */
  inFlight: number
  warmMs: number
  measureMs: number
  /** Who reads what; the list is repeated from the beginning. */
  readers: { userId: string; token: string; conversationId: string; lastSeq: number }[]
}

export interface ReadResult {
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** The share of one core that the reading process itself used. */
  cpu: number
  /** Rows or items per request. */
  itemsEach: number
}

import { type Database, openDatabase, primaryReads, type ReadCounts, type Reads, ReplicaReads } from '@parley/db'
import type { Logger } from '@parley/runtime'

/** Longest that a connection to the replica, or one of its answers, is waited for before the primary is asked. Milliseconds. */
const CONNECT_MS = 500
const QUERY_MS = 2_000

/** Where pages of history and search are read. */
export interface ReadSide {
  reads: Reads
  /** Undefined where everything is read from the primary. */
  replica: { db: Database; counts: Readonly<ReadCounts> } | undefined
  close(): Promise<void>
}

/** Opens the replica where there is one. It need not be there yet: it is used as soon as it answers. */
export function openReadSide(primary: Database, url: string | undefined, logger: Logger): ReadSide {
  if (url === undefined) return { reads: primaryReads(primary), replica: undefined, close: async () => undefined }
  const db = openDatabase({
    url,
    max: 10,
    applicationName: 'parley-api-replica',
    connectTimeoutMs: CONNECT_MS,
    queryTimeoutMs: QUERY_MS,
    onError: (err) => logger.warn({ err }, 'a connection to the replica broke'),
  })
  const reads = new ReplicaReads({
    primary,
    replica: db,
    onAway: (err) => logger.warn({ err }, 'the replica is left alone; the primary is read in its place'),
    onBack: () => logger.info('the replica is read again'),
  })
  return { reads, replica: { db, counts: reads.counts }, close: () => db.close() }
}

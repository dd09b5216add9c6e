import { type Database, openDatabase, primaryReads, type ReadCounts, type Reads, ReplicaReads } from '@parley/db'
import type { Logger } from '@parley/runtime'

/** How long to wait for a connection to the replica, and for an answer, before asking the primary. Milliseconds. */
const CONNECT_MS = 500
const QUERY_MS = 2_000

/** Where history and search are read from. */
export interface ReadSide {
  reads: Reads
  /** Undefined when everything is read from the primary. */
  replica: { db: Database; counts: Readonly<ReadCounts> } | undefined
  close(): Promise<void>
}

/**
 * Opens the replica if there is one. It need not be up yet: it is used as soon as it answers.
 * @param epoch returns the primary's newest epoch
 */
export function openReadSide(
  primary: Database,
  url: string | undefined,
  epoch: () => Promise<string | undefined>,
  logger: Logger,
): ReadSide {
  if (url === undefined) return { reads: primaryReads(primary), replica: undefined, close: async () => undefined }
  const db = openDatabase({
    url,
    max: 10,
    applicationName: 'parley-api-replica',
    connectTimeoutMs: CONNECT_MS,
    queryTimeoutMs: QUERY_MS,
    onError: (err) => logger.warn({ err }, 'lost a connection to the replica'),
  })
  const reads = new ReplicaReads({
    primary,
    replica: db,
    epoch,
    onAway: (err) => logger.warn({ err }, 'the replica failed; reading from the primary for now'),
    onBack: () => logger.info('reading from the replica again'),
  })
  return { reads, replica: { db, counts: reads.counts }, close: () => db.close() }
}

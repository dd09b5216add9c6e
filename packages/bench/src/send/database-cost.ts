import { runLoad } from '../load/run.ts'
import type { BenchServices } from '../services.ts'
import { totalOf } from '../statement-log.ts'
import { parley } from '../subjects/parley.ts'
import { assertWhole } from '../whole.ts'

/** Slow enough for rooms of a thousand: costs are compared at one rate, not at each size's own. */
const PER_SECOND = 100

export interface DatabaseCost {
  roomSize: number
  /** Statements of the gateways per message. */
  gatewayStatements: number
  /** Statements of the worker during the run, including its polling, per message. */
  workerStatements: number
  /** WAL bytes of all processes per message, by pg_current_wal_lsn. */
  walBytes: number
}

/** Measures what storing a message costs Postgres in rooms of a size: statements from its log, and WAL bytes. */
export async function measureDatabaseCost(
  services: BenchServices,
  roomSize: number,
  measureMs: number,
): Promise<DatabaseCost> {
  const running = await parley.start(services, { users: Math.max(200, roomSize), roomSize })
  try {
    const lsns: string[] = []
    const sample = async () => {
      const { rows } = await running.sql.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn')
      lsns.push(rows[0]?.lsn ?? '')
    }
    // The first change of a page after a checkpoint is logged in full; there should be no checkpoint during the measurement.
    await running.sql.query('checkpoint')
    const load = { users: running.users, inFlight: 0, contentBytes: 100, ratePerSecond: PER_SECOND }
    const { result, counts } = await services.statements.count(() =>
      runLoad(load, { warmMs: 2_000, measureMs }, { began: sample, ended: sample }),
    )
    assertWhole('parley', result, await running.stored())
    const { rows } = await running.sql.query<{ bytes: string }>('select pg_wal_lsn_diff($2, $1) as bytes', lsns)
    const messages = (result.ackedPerSec * measureMs) / 1_000
    // Excludes the statements for connecting.
    const sent = counts.get('parley-gateway')
    const appends = (sent?.get('append_fresh') ?? 0) + (sent?.get('append_messages') ?? 0)
    return {
      roomSize,
      gatewayStatements: appends / result.acked,
      workerStatements: totalOf(counts, 'parley-worker') / result.acked,
      walBytes: Number(rows[0]?.bytes) / messages,
    }
  } finally {
    await running.stop()
  }
}

import type { ReadyChecks } from './admin.ts'
import type { Metrics } from './metrics.ts'
import { within } from './within.ts'

/**
 * Asks a dependency. False, an error, or no answer in time mean that it is away; a text says what is wrong with it
 * (without addresses or secrets: it is shown).
 */
export type DependencyCheck = (signal: AbortSignal) => boolean | string | Promise<boolean | string>

export interface Dependencies {
  /** Without one of these the process is not ready. */
  needed: Readonly<Record<string, DependencyCheck>>
  /** Without one of these it does a part of its work: ready, and said to be degraded. */
  wanted?: Readonly<Record<string, DependencyCheck>>
  /** The process is stopping: not ready, whatever there is. */
  stopping: AbortSignal
}

/** What all processes of Parley work with. */
export interface Services {
  db: { readonly pool: { query(text: string): Promise<unknown> } }
  redis: { ping(): Promise<unknown> }
  /** Publish and subscribe. */
  bus: { readonly healthy: boolean }
  bucket: DependencyCheck
  /** Where there is one. The primary does its work while it is away. */
  replica?: Services['db'] | undefined
  stopping: AbortSignal
}

/**
 * The health of a process. Without Postgres or Redis it is not ready. It is degraded without the bucket, which only files need,
 * without the replica, and while Postgres takes no writes: that hits all processes at once, for hours if a full disk is the cause,
 * and reads still work. It is live all the same: a restart brings no dependency back, and a gateway that has lost Redis still
 * serves its own sockets.
 */
export function healthOf({ db, redis, bus, bucket, replica, stopping }: Services): Health {
  return new Health({
    needed: {
      postgres: () => takesWrites(db),
      redis: async () => bus.healthy && (await redis.ping()) === 'PONG',
    },
    wanted: { s3: bucket, ...(replica && { replica: () => answers(replica) }) },
    stopping,
  })
}

/**
 * Has Postgres raise what it answers a write with where it only serves reads: it was the primary and is a standby now, or
 * somebody has set it so. As an error it also has the pool make that connection anew, to whatever is the primary by then.
 */
const WRITE_CHECK = `do $$ begin
  if current_setting('transaction_read_only') = 'on' then raise read_only_sql_transaction; end if;
end $$`
/** SQLSTATE of read_only_sql_transaction. */
const READ_ONLY = '25006'
const TAKES_NO_WRITES = 'takes no writes'

async function takesWrites({ pool }: Services['db']): Promise<boolean | string> {
  try {
    await pool.query(WRITE_CHECK)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === READ_ONLY) return TAKES_NO_WRITES
    throw error
  }
}

async function answers({ pool }: Services['db']): Promise<boolean> {
  return (await pool.query('select 1')) !== undefined
}

/** How long one dependency may take to answer, in milliseconds. */
const CHECK_MS = 1_500
/** Answers are good for this long: balancers, Kubernetes and Prometheus together ask more often. Milliseconds. */
const KEPT_MS = 500

/** Says how each dependency is. Checks run side by side, each with a time limit of its own. */
export class Health {
  readonly #dependencies: Dependencies
  readonly #degrading: ReadonlySet<string>
  #last: { at: number; checks: Promise<ReadyChecks> } | undefined

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
    this.#degrading = new Set(Object.keys(dependencies.wanted ?? {}))
  }

  /** For the admin server. */
  readonly ready = async (): Promise<ReadyChecks> => {
    const process = this.#dependencies.stopping.aborted ? 'stopping' : 'ok'
    return { process, ...(await this.#checks()) }
  }

  /** Whether the process can do without this one, or with it as it is. */
  readonly optional = (name: string, state: string): boolean =>
    this.#degrading.has(name) || (name === 'postgres' && state === TAKES_NO_WRITES)

  /** Shows the same in numbers. */
  show(metrics: Metrics): void {
    metrics.gauge(
      'parley_dependency_up',
      'Whether a service that the process works with answers (1) or not (0)',
      ['dependency'],
      async () =>
        Object.entries(await this.#checks()).map(([dependency, state]) => [{ dependency }, state === 'ok' ? 1 : 0]),
    )
  }

  #checks(): Promise<ReadyChecks> {
    const now = performance.now()
    if (this.#last === undefined || now - this.#last.at > KEPT_MS) this.#last = { at: now, checks: this.#ask() }
    return this.#last.checks
  }

  async #ask(): Promise<ReadyChecks> {
    const { needed, wanted = {} } = this.#dependencies
    const all = Object.entries({ ...needed, ...wanted })
    return Object.fromEntries(await Promise.all(all.map(async ([name, check]) => [name, await stateOf(check)])))
  }
}

async function stateOf(check: DependencyCheck): Promise<string> {
  const limit = new AbortController()
  try {
    const state = await within(CHECK_MS, Promise.resolve(check(limit.signal)), () => 'does not answer')
    return state === true ? 'ok' : state === false ? 'away' : state
  } catch {
    // The reason may hold addresses or credentials; the log has it.
    return 'away'
  } finally {
    limit.abort()
  }
}

import type { ReadyChecks } from './admin.ts'
import type { Metrics } from './metrics.ts'
import { within } from './within.ts'

/**
 * Checks a dependency. False, an error or no answer in time mean that it is down; a string says what is wrong with it, and must
 * not contain addresses or secrets, because it is shown.
 */
export type DependencyCheck = (signal: AbortSignal) => boolean | string | Promise<boolean | string>

export interface Dependencies {
  /** Required: without one of these the process is not ready. */
  needed: Readonly<Record<string, DependencyCheck>>
  /** Optional: without one of these the process is ready but degraded. */
  wanted?: Readonly<Record<string, DependencyCheck>>
  /** The state of a required dependency with which the process is ready, but degraded. */
  tolerated?: Readonly<Record<string, string>>
  /** Aborted when the process is stopping: it is then not ready, whatever the checks say. */
  stopping: AbortSignal
}

/** The services that all Parley processes use. */
export interface Services {
  db: { readonly pool: { query(text: string): Promise<unknown> } }
  redis: { ping(): Promise<unknown> }
  /** Publish and subscribe. */
  bus: { readonly healthy: boolean }
  bucket: DependencyCheck
  /** If there is one. While it is down, the primary does its work. */
  replica?: Services['db'] | undefined
  stopping: AbortSignal
}

/**
 * Creates the health checks of a process. Without Postgres or Redis it is not ready. It is degraded without the bucket, which only
 * files need, without the replica, and while Postgres takes no writes: that hits all processes at once, for hours if a full disk is
 * the cause, and reads still work. It stays live in any case: a restart brings no dependency back, and a gateway that has lost Redis
 * still serves its own sockets.
 */
export function healthOf({ db, redis, bus, bucket, replica, stopping }: Services): Health {
  return new Health({
    needed: {
      postgres: () => takesWrites(db),
      redis: async () => bus.healthy && (await redis.ping()) === 'PONG',
    },
    wanted: { s3: bucket, ...(replica && { replica: () => answers(replica) }) },
    tolerated: { postgres: TAKES_NO_WRITES },
    stopping,
  })
}

/**
 * Makes Postgres raise the error of a write if it is read-only: it has become a standby, or somebody has set it so. The error
 * also makes the pool reconnect, to whatever is the primary by then.
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
/** How long results are cached, as balancers, Kubernetes and Prometheus together ask more often. Milliseconds. */
const CACHE_MS = 500

/** Reports the state of each dependency. Checks run concurrently, each with its own time limit. */
export class Health {
  readonly #dependencies: Dependencies
  #last: { at: number; checks: Promise<ReadyChecks> } | undefined

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies
  }

  /** Runs the checks, for the admin server. */
  readonly ready = async (): Promise<ReadyChecks> => {
    const process = this.#dependencies.stopping.aborted ? 'stopping' : 'ok'
    return { process, ...(await this.#checks()) }
  }

  /** Whether the process can work without this dependency, or with it in this state. */
  readonly optional = (name: string, state: string): boolean => {
    const { wanted = {}, tolerated = {} } = this.#dependencies
    return Object.hasOwn(wanted, name) || tolerated[name] === state
  }

  /** Registers the same as a metric. */
  show(metrics: Metrics): void {
    metrics.gauge(
      'parley_dependency_up',
      'Whether a service that the process uses is up (1) or not (0)',
      ['dependency'],
      async () =>
        Object.entries(await this.#checks()).map(([dependency, state]) => [{ dependency }, state === 'ok' ? 1 : 0]),
    )
  }

  #checks(): Promise<ReadyChecks> {
    const now = performance.now()
    if (this.#last === undefined || now - this.#last.at > CACHE_MS) this.#last = { at: now, checks: this.#ask() }
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
    // The reason may contain addresses or credentials; it is in the log.
    return 'away'
  } finally {
    limit.abort()
  }
}

import { writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { isWhole, judge, judgeOutsiders, judgeUnread, readHeads, readTruth } from './check.ts'
import type { ChaosClient } from './client.ts'
import { FAULTS, type Fault } from './faults.ts'
import {
  judgeBounds,
  measureComingAndGoing,
  type PresenceBounds,
  presenceConverged,
  watchOverKill,
} from './presence.ts'
import { judgeCrashes, judgeMemory, readMemory } from './processes.ts'
import { RawClient } from './raw-client.ts'
import type { FaultReport, Report } from './report.ts'
import { SdkClient } from './sdk-client.ts'
import { oust, type Stage, setStage } from './stage.ts'
import { Traffic } from './traffic.ts'
import { until } from './waiting.ts'

export interface RunOptions {
  /** Names of faults; all of them without it. */
  faults?: readonly string[]
  clients: number
  /** Settings for every process, for the negative control. */
  env?: Record<string, string>
  log: (line: string) => void
  /** Traffic before and after each fault, in milliseconds. */
  calmMs?: number
  /** Leaves out what only the full report needs. */
  short?: boolean
  /** A file for what the processes have written last. */
  logs?: string | undefined
  /** Stock socket.io clients only, without the SDK. */
  rawOnly?: boolean
}

const PAUSE_MS = [100, 500] as const
const WHOLE_BOUND_MS = 60_000
/** People who are taken out of a group before it gets busy; it is checked that they get nothing of it. */
const OUSTED = 3
const STOP_BOUND_MS = 30_000

/** Runs the faults one after another on a cluster of its own and checks everything after each. */
export async function runChaos(options: RunOptions): Promise<Report> {
  const chosen = FAULTS.filter(({ name }) => options.faults?.includes(name) ?? true)
  await using stage = await setStage(options)
  const clients = makeClients(stage, options.rawOnly ?? false)
  await startClients(stage, clients)
  // Stock clients: what reaches them reaches their page. The SDK would hide what it should not have got.
  await oust(stage, OUSTED, (userId) => clients.get(userId) instanceof RawClient)
  options.log(
    `${clients.size} clients, ${stage.conversations.length} conversations, ${stage.conversations.filter((group) => group.ousted.size > 0).length} of them with somebody taken out; 3 gateways, 2 apis, 2 workers`,
  )
  const bounds = options.short
    ? { onlineMs: 0, offlineAfterDisconnectMs: 0 }
    : await measureComingAndGoing(stage.cluster)
  const run = new Run(stage, clients, options, { ...bounds, offlineAfterKillMs: null, convergedMs: 0, flickers: null })
  try {
    for (const fault of chosen) await run.phase(fault)
    run.report.problems.push(...judgeBounds(run.report.presence))
    return run.report
  } finally {
    await Promise.all([...clients.values()].map((client) => client.stop()))
    if (options.logs !== undefined) await writeFile(options.logs, stage.cluster.logs())
  }
}

class Run {
  readonly report: Report
  readonly #stage: Stage
  readonly #clients: ReadonlyMap<string, ChaosClient>
  readonly #traffic: Traffic
  readonly #options: RunOptions
  readonly #crashes = new Map<string, number>()
  #checked: ReadonlyMap<string, number> = new Map()
  #memory: ReadonlyMap<string, number> = new Map()

  constructor(stage: Stage, clients: ReadonlyMap<string, ChaosClient>, options: RunOptions, presence: PresenceBounds) {
    this.#stage = stage
    this.#clients = clients
    this.#options = options
    this.report = { faults: [], presence, problems: [] }
    this.#traffic = new Traffic({
      clients: [...clients.values()],
      conversationsOf: (userId) => conversationsOf(stage, userId),
      pauseMs: PAUSE_MS,
    })
  }

  async phase(fault: Fault): Promise<void> {
    const { calmMs = 3_000, log } = this.#options
    const { acked, failures } = this.#traffic
    acked.length = 0
    this.#traffic.start()
    await delay(calmMs)
    const recoveryMs = await this.#inject(fault)
    await delay(calmMs)
    if (!(await this.#traffic.stop(STOP_BOUND_MS))) this.#blame(fault, ['some sends did not come to an end'])
    this.#blame(fault, failures.splice(0))
    const settled = await this.#untilWhole()
    if (settled === null) this.#blame(fault, ['some clients do not have everything'])
    const row = await this.#check(fault, recoveryMs)
    this.report.faults.push(row)
    log(`${fault.name}: ${row.acked} acked, ${row.lost} lost, whole after ${row.recoveryMs ?? '?'} ms`)
  }

  /** @returns the time from the fault's end until everybody has what was stored by then */
  async #inject(fault: Fault): Promise<number | null> {
    const { presence } = this.report
    const kill = fault.name === 'kill-gateway' && !this.#options.short ? await watchOverKill(this.#stage.cluster) : null
    const offline = kill?.().catch(() => null)
    const before = this.#offlineNotices()
    await fault.run(this.#stage)
    const recoveryMs = await this.#untilWhole()
    if (fault.name === 'rolling-restart') presence.flickers = this.#offlineNotices() - before
    if (offline !== undefined) {
      presence.offlineAfterKillMs = await offline
      if (presence.offlineAfterKillMs === null)
        this.#blame(fault, ['a killed gateway’s person was not shown as offline'])
    }
    return recoveryMs
  }

  async #check(fault: Fault, recoveryMs: number | null): Promise<FaultReport> {
    const stage = this.#stage
    const clients = this.#clients
    const truth = await readTruth(stage)
    const acked = this.#traffic.acked
    const { problems, ...counts } = judge({ stage, clients, acked, truth, checked: this.#checked })
    this.#checked = new Map([...truth].map(([id, rows]) => [id, rows.length]))
    const converged = await presenceConverged(stage, clients)
    if (typeof converged !== 'number') problems.push(...converged)
    else this.report.presence.convergedMs = Math.max(this.report.presence.convergedMs, converged)
    const memory = await readMemory(stage.cluster)
    problems.push(
      ...judgeOutsiders(stage, clients),
      ...(await judgeUnread(stage, clients)),
      ...judgeCrashes(stage.cluster, this.#crashes),
      ...judgeMemory(this.#memory, memory),
      ...[...clients.values()].flatMap(({ user, complaints }) =>
        complaints.splice(0).map((c) => `${user.fullName}: ${c}`),
      ),
    )
    // Each process is measured against the first look at it.
    this.#memory = new Map([...memory, ...this.#memory])
    this.#blame(fault, problems)
    return { fault: fault.name, acked: acked.length, ...counts, recoveryMs }
  }

  async #untilWhole(): Promise<number | null> {
    const began = performance.now()
    let heads: ReadonlyMap<string, number> | undefined
    const took = await until(async () => {
      heads ??= await readHeads(this.#stage).catch(() => undefined)
      return heads !== undefined && isWhole(this.#stage, this.#clients, heads)
    }, WHOLE_BOUND_MS)
    return took === null ? null : Math.round(performance.now() - began)
  }

  #offlineNotices(): number {
    return [...this.#clients.values()].reduce((sum, { offlineNotices }) => sum + offlineNotices, 0)
  }

  #blame(fault: Fault, problems: readonly string[]): void {
    for (const problem of problems.slice(0, 30)) {
      this.report.problems.push(`${fault.name}: ${problem}`)
      this.#options.log(`  ${fault.name}: ${problem}`)
    }
  }
}

/** Every other one is the SDK; of the rest one in four polls, and one in five sends over HTTP. */
function makeClients({ cluster, users }: Stage, rawOnly: boolean): Map<string, ChaosClient> {
  return new Map(
    users.map((user, place): [string, ChaosClient] => {
      // Groups take every second place or so, hence the pairs: both kinds are in most of them.
      if (!rawOnly && Math.floor(place / 2) % 2 === 1) {
        return [user.id, new SdkClient({ url: cluster.url, user, getToken: () => cluster.token(user) })]
      }
      const index = Math.floor(place / 4) * 2 + (place % 2)
      const transports = index % 4 === 3 ? (['polling'] as const) : (['websocket'] as const)
      const options = {
        url: cluster.url,
        user,
        token: cluster.token(user),
        transports: [...transports],
        posts: index % 5 === 4,
      }
      return [user.id, new RawClient(options)]
    }),
  )
}

async function startClients(stage: Stage, clients: ReadonlyMap<string, ChaosClient>): Promise<void> {
  await Promise.all([...clients].map(([userId, client]) => client.start(conversationsOf(stage, userId))))
}

function conversationsOf({ conversations }: Stage, userId: string): string[] {
  return conversations.filter(({ members }) => members.includes(userId)).map(({ id }) => id)
}

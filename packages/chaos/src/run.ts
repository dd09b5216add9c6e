import { writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { dataOf } from '@parley/testkit'
import { describeFlickers, type OfflineNotice } from './absences.ts'
import { Changes } from './changes.ts'
import { judge, lagging } from './check.ts'
import type { ChaosClient } from './client.ts'
import { FAULTS, type Fault } from './faults.ts'
import { judgeBounds, measurePresence, type PresenceBounds, presenceConverged, watchOverKill } from './presence.ts'
import { judgeCrashes, judgeMemory, readMemory } from './processes.ts'
import { RawClient } from './raw-client.ts'
import type { FaultReport, Report } from './report.ts'
import { SdkClient } from './sdk-client.ts'
import { type Stage, setStage } from './stage.ts'
import { Traffic } from './traffic.ts'
import { readStandings, readTruth } from './truth.ts'
import { judgeUnread, viewsConverged } from './views.ts'
import { until } from './waiting.ts'

export interface RunOptions {
  /** Names of faults; default: all. */
  faults?: readonly string[]
  clients: number
  /** Settings for every process, used for the negative control. */
  env?: Record<string, string>
  log: (line: string) => void
  /** The duration of traffic before and after each fault, in milliseconds. */
  calmMs?: number
  /** Skips what only the full report needs. */
  short?: boolean
  /** A file for the last lines of the processes' logs. */
  logs?: string | undefined
  /** Uses standard socket.io clients only, without the SDK. */
  rawOnly?: boolean
}

const PAUSE_MS = [100, 500] as const
const COMPLETE_BOUND_MS = 60_000
const LONG_MS = 5_000
const STOP_BOUND_MS = 30_000
const ROLLING = 'rolling-restart'

/** Runs the faults one after another on a new cluster, and checks everything after each. */
export async function runChaos(options: RunOptions): Promise<Report> {
  const chosen = FAULTS.filter(({ name }) => options.faults?.includes(name) ?? true)
  await using stage = await setStage(options)
  const clients = makeClients(stage, options.rawOnly ?? false)
  await Promise.all([...clients.values()].map((client) => client.start()))
  const { size } = await readStandings(stage)
  options.log(`${clients.size} clients, ${size} initial conversations; 3 gateways, 2 apis, 2 workers`)
  const bounds = options.short ? { onlineMs: 0, offlineAfterDisconnectMs: 0 } : await measurePresence(stage.cluster)
  const run = new Run(stage, clients, options, { ...bounds, offlineAfterKillMs: null, convergedMs: 0, flickers: null })
  try {
    for (const fault of chosen) await run.phase(fault)
    run.report.problems.push(...judgeBounds(run.report.presence))
    options.log(`changes: ${run.changes}`)
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
  readonly #changes: Changes
  readonly #options: RunOptions
  readonly #crashes = new Map<string, number>()
  #checked: ReadonlyMap<string, number> = new Map()
  #memory: ReadonlyMap<string, number> = new Map()

  constructor(stage: Stage, clients: ReadonlyMap<string, ChaosClient>, options: RunOptions, presence: PresenceBounds) {
    this.#stage = stage
    this.#clients = clients
    this.#options = options
    this.report = { faults: [], presence, problems: [] }
    this.#traffic = new Traffic({ clients: [...clients.values()], pauseMs: PAUSE_MS })
    const revoke = async (userId: string) =>
      dataOf(await stage.cluster.service().post(`/api/users/${userId}/revoke-tokens`, {}))
    this.#changes = new Changes({ clients, revoke })
  }

  /** The number of changes of each kind. */
  get changes(): string {
    return Object.entries(this.#changes.made)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ')
  }

  async phase(fault: Fault): Promise<void> {
    const { calmMs = 3_000, log } = this.#options
    const { acked } = this.#traffic
    acked.length = 0
    this.#traffic.start()
    // No revocations during the rolling restart: people who wait for a new token would count as flickers.
    this.#changes.start(fault.name !== ROLLING)
    await delay(calmMs)
    const recoveryMs = await this.#inject(fault)
    await delay(calmMs)
    const ended = await Promise.all([this.#traffic.stop(STOP_BOUND_MS), this.#changes.stop(STOP_BOUND_MS)])
    if (ended.includes(false)) this.#blame(fault, ['some sends or changes did not finish'])
    const completeMs = await this.#untilComplete()
    if (completeMs === null) this.#blame(fault, ['some clients do not have everything'])
    const row = await this.#check(fault, recoveryMs)
    this.report.faults.push(row)
    log(`${fault.name}: ${row.acked} acked, ${row.lost} lost, complete after ${row.recoveryMs ?? '?'} ms`)
  }

  /** @returns the time from the end of the fault until everybody has what was stored by then, in milliseconds */
  async #inject(fault: Fault): Promise<number | null> {
    const { presence } = this.report
    const kill = fault.name === 'kill-gateway' && !this.#options.short ? await watchOverKill(this.#stage.cluster) : null
    const offline = kill?.().catch(() => null)
    const before = this.#offlineNotices().length
    await fault.run(this.#stage)
    const recoveryMs = await this.#untilComplete()
    if (fault.name === ROLLING) presence.flickers = this.#flickers(before)
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
    const { acked, failed } = this.#traffic
    const views = await viewsConverged(stage, clients)
    const [truth, standings] = await Promise.all([readTruth(stage), readStandings(stage)])
    const evidence = { clients, acked, failed: failed.splice(0), truth, standings, checked: this.#checked }
    const { problems, ...counts } = judge(evidence)
    this.#checked = new Map([...truth].map(([id, rows]) => [id, rows.length]))
    const converged = await presenceConverged(standings, clients)
    const { presence } = this.report
    if (typeof converged === 'number') presence.convergedMs = Math.max(presence.convergedMs, converged)
    const memory = await readMemory(stage.cluster)
    problems.push(
      ...this.#changes.failures.splice(0),
      ...(typeof views === 'number' ? [] : views),
      ...(typeof converged === 'number' ? [] : converged),
      ...(await judgeUnread(stage)),
      ...judgeCrashes(stage.cluster, this.#crashes),
      ...judgeMemory(this.#memory, memory),
      ...[...clients.values()].flatMap(({ user, complaints }) =>
        complaints.splice(0).map((c) => `${user.fullName}: ${c}`),
      ),
    )
    // Keep the first measurement of each process for comparison.
    this.#memory = new Map([...memory, ...this.#memory])
    this.#blame(fault, problems)
    return { fault: fault.name, acked: acked.length, ...counts, recoveryMs }
  }

  /** @returns how long it took in milliseconds, or null on timeout; if it took long, logs who was last */
  async #untilComplete(): Promise<number | null> {
    let heads: ReadonlyMap<string, number> | undefined
    let last: string[] = []
    const took = await until(async () => {
      const standings = await readStandings(this.#stage).catch(() => undefined)
      if (standings === undefined) return false
      heads ??= new Map([...standings].map(([id, { lastSeq }]) => [id, lastSeq]))
      const now = lagging(standings, this.#clients, heads)
      if (now.length > 0) last = now
      return now.length === 0
    }, COMPLETE_BOUND_MS)
    if (took === null || took > LONG_MS) for (const line of last.slice(0, 5)) this.#options.log(`  ${line}`)
    return took
  }

  /** Logs whom the notices after the first `before` are about. @returns the number of these notices */
  #flickers(before: number): number {
    const notices = this.#offlineNotices().slice(before)
    const clientOf = (userId: string) => this.#clients.get(userId)
    const lines = describeFlickers(
      notices,
      (userId) => clientOf(userId)?.absences ?? [],
      (userId) => clientOf(userId)?.user.fullName ?? userId,
    )
    for (const line of lines) this.#options.log(`  ${line}`)
    return notices.length
  }

  /** Returns the notices of all clients, in order of time. */
  #offlineNotices(): OfflineNotice[] {
    const all = [...this.#clients.values()].flatMap(({ offlineNotices }) => offlineNotices ?? [])
    return all.sort((one, other) => one.at - other.at)
  }

  #blame(fault: Fault, problems: readonly string[]): void {
    for (const problem of problems.slice(0, 30)) {
      this.report.problems.push(`${fault.name}: ${problem}`)
      this.#options.log(`  ${fault.name}: ${problem}`)
    }
  }
}

/** Creates the clients: half of them use the SDK; one in four of the others polls, and one in five sends over HTTP. */
function makeClients({ cluster, users }: Stage, rawOnly: boolean): Map<string, ChaosClient> {
  return new Map(
    users.map((user, place): [string, ChaosClient] => {
      // In pairs, since groups take about every second position: this way most groups have both kinds.
      if (!rawOnly && Math.floor(place / 2) % 2 === 1) {
        return [user.id, new SdkClient({ url: cluster.url, user, getToken: () => cluster.token(user) })]
      }
      const index = Math.floor(place / 4) * 2 + (place % 2)
      const transports = index % 4 === 3 ? (['polling'] as const) : (['websocket'] as const)
      const options = {
        url: cluster.url,
        user,
        getToken: () => cluster.token(user),
        transports: [...transports],
        usesHttp: index % 5 === 4,
      }
      return [user.id, new RawClient(options)]
    }),
  )
}

import { percentilesOf } from '../statistics.ts'
import { LoadClient } from './client.ts'
import type { LoadPhase, LoadPlan, LoadResult, LoadTimes } from './message.ts'

/** The longest wait for outstanding acks and deliveries after sending ends, in milliseconds. */
const SETTLE_MS = 15_000
const CONNECTS_AT_ONCE = 50

/** The clients of a plan, and the counts of the current run. */
class Generator {
  readonly #plan: LoadPlan
  readonly #clients: LoadClient[]
  #counts = noCounts()
  #acks: number[] = []
  #deliveries: number[] = []
  #measuring = false
  #sending = false

  constructor(plan: LoadPlan) {
    this.#plan = plan
    this.#clients = plan.users.map((user) => {
      const client: LoadClient = new LoadClient(user, plan.contentBytes, {
        onAck: (success, latencyMs) => {
          if (success) {
            this.#counts.acked++
            this.#counts.due += user.roomSize
            if (this.#measuring) this.#acks.push(latencyMs)
          } else this.#counts.failed++
          if (this.#sending && plan.ratePerSecond === undefined) client.send()
        },
        onDelivery: (latencyMs) => {
          this.#counts.delivered++
          if (this.#measuring) this.#deliveries.push(latencyMs)
        },
      })
      return client
    })
  }

  async connect(): Promise<void> {
    for (let i = 0; i < this.#clients.length; i += CONNECTS_AT_ONCE) {
      await Promise.all(this.#clients.slice(i, i + CONNECTS_AT_ONCE).map((client) => client.connect()))
    }
  }

  /** Sends for the given times, and waits for the last ack and delivery. */
  async run({ warmMs, measureMs }: LoadTimes): Promise<LoadResult> {
    const { inFlight, ratePerSecond, senders } = this.#plan
    this.#sending = true
    const sending = this.#clients.slice(0, senders)
    const stopPacing = ratePerSecond === undefined ? fill(sending, inFlight) : pace(sending, ratePerSecond)
    await wait(warmMs)
    const cpu = process.cpuUsage()
    const began = performance.now()
    this.#measuring = true
    report('began')
    await wait(measureMs)
    this.#measuring = false
    report('ended')
    const seconds = (performance.now() - began) / 1_000
    const { user, system } = process.cpuUsage(cpu)
    this.#sending = false
    stopPacing()
    const isWhole = () =>
      this.#counts.delivered >= this.#counts.due && this.#clients.every((client) => client.waiting === 0)
    await settle(isWhole)
    const result = {
      ...this.#counts,
      ackedPerSec: this.#acks.length / seconds,
      deliveredPerSec: this.#deliveries.length / seconds,
      ack: percentiles(this.#acks),
      delivery: percentiles(this.#deliveries),
      generatorCpu: (user + system) / 1e6 / seconds,
    }
    // Reset now, not at the start of the next run: whatever arrives in between is surplus, and makes the next run's counts wrong.
    this.#counts = noCounts()
    this.#acks = []
    this.#deliveries = []
    return result
  }
}

function noCounts() {
  return { acked: 0, failed: 0, delivered: 0, due: 0 }
}

function report(phase: LoadPhase): void {
  process.send?.(phase)
}

function fill(clients: readonly LoadClient[], inFlight: number): () => void {
  for (const client of clients) for (let i = 0; i < inFlight; i++) client.send()
  return () => undefined
}

/** Sends evenly at this rate, each client in turn, whether or not acks arrive. */
function pace(clients: readonly LoadClient[], perSecond: number): () => void {
  const began = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1_000) * perSecond
    for (; sent < due; sent++) clients[sent % clients.length]?.send()
  }, 2)
  return () => clearInterval(timer)
}

async function settle(done: () => boolean): Promise<void> {
  for (let waited = 0; waited < SETTLE_MS && !done(); waited += 50) await wait(50)
}

function percentiles(values: readonly number[]): { p50Ms: number; p99Ms: number } {
  const at = percentilesOf(values)
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function fail(error: unknown): never {
  console.error(error)
  process.exit(1)
}

process.once('message', (plan: LoadPlan) => {
  const generator = new Generator(plan)
  generator.connect().then(() => report('connected'), fail)
  process.on('message', (times: LoadTimes) => {
    generator.run(times).then((result) => process.send?.(result), fail)
  })
})
process.once('disconnect', () => process.exit())

import { LoadClient } from './client.ts'
import type { LoadPhase, LoadPlan, LoadResult } from './message.ts'

/** Longest wait for the acks and deliveries that are still due when sending ends, in milliseconds. */
const SETTLE_MS = 15_000
const CONNECTS_AT_ONCE = 50

/** Runs a plan from connecting to the last delivery. */
async function generate(plan: LoadPlan): Promise<LoadResult> {
  const acks: number[] = []
  const deliveries: number[] = []
  const counts = { acked: 0, failed: 0, delivered: 0, due: 0 }
  let measuring = false
  let sending = true
  const clients = plan.users.map((user) => {
    const client: LoadClient = new LoadClient(user, plan.contentBytes, {
      onAck(success, latencyMs) {
        if (success) {
          counts.acked++
          counts.due += user.roomSize
          if (measuring) acks.push(latencyMs)
        } else counts.failed++
        if (sending && plan.ratePerSecond === undefined) client.send()
      },
      onDelivery(latencyMs) {
        counts.delivered++
        if (measuring) deliveries.push(latencyMs)
      },
    })
    return client
  })
  for (let i = 0; i < clients.length; i += CONNECTS_AT_ONCE) {
    await Promise.all(clients.slice(i, i + CONNECTS_AT_ONCE).map((client) => client.connect()))
  }
  const senders = clients.slice(0, plan.senders)
  const stopPacing = plan.ratePerSecond === undefined ? fill(senders, plan.inFlight) : pace(senders, plan.ratePerSecond)
  await wait(plan.warmMs)
  const cpu = process.cpuUsage()
  const began = performance.now()
  measuring = true
  tell('began')
  await wait(plan.measureMs)
  measuring = false
  tell('ended')
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  sending = false
  stopPacing()
  await settle(() => counts.delivered >= counts.due && clients.every((client) => client.waiting === 0))
  for (const client of clients) client.close()
  return {
    ...counts,
    ackedPerSec: acks.length / seconds,
    deliveredPerSec: deliveries.length / seconds,
    ack: percentiles(acks),
    delivery: percentiles(deliveries),
    generatorCpu: (user + system) / 1e6 / seconds,
  }
}

function tell(phase: LoadPhase): void {
  process.send?.(phase)
}

function fill(clients: readonly LoadClient[], inFlight: number): () => void {
  for (const client of clients) for (let i = 0; i < inFlight; i++) client.send()
  return () => undefined
}

/** Sends evenly at a rate, each client in its turn, whatever the acks do. */
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

function percentiles(values: number[]): { p50Ms: number; p99Ms: number } {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50Ms: at(0.5), p99Ms: at(0.99) }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

process.once('message', (plan: LoadPlan) => {
  generate(plan).then(
    (result) => process.send?.(result, () => process.exit()),
    (error) => {
      console.error(error)
      process.exit(1)
    },
  )
})

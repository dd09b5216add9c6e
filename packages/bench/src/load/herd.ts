import { platform } from 'node:os'
import { percentilesOf } from '../statistics.ts'
import { HerdClient } from './herd-client.ts'
import type { HerdAnswer, HerdRequest } from './herd-message.ts'

/** On Linux all of 127.0.0.0/8 is local: eight addresses have enough ports for any herd. */
const ADDRESSES = 8
const WAIT_MS = 60_000
/** The shortest pause of a standard client before it retries, and the number of attempts here. */
const RETRY_MS = 1_000
const ATTEMPTS = 10
const clients: HerdClient[] = []
let retries = 0

interface SyncPage {
  conversations: { messages: unknown[] }[]
  hasMore: boolean
  after: string | null
}

async function execute(request: HerdRequest): Promise<HerdAnswer> {
  retries = 0
  const began = performance.now()
  const cpu = process.cpuUsage()
  const faults: string[] = []
  const times: number[] = []
  if (request.type === 'add') {
    for (const user of request.users) {
      const address = platform() === 'linux' ? `127.0.0.${2 + (clients.length % ADDRESSES)}` : undefined
      clients.push(new HerdClient(user, address))
    }
  } else if (request.type === 'expect') {
    clients.forEach(({ user }, i) => {
      user.missed = request.missed[i] ?? 0
    })
  } else if (request.type === 'drop') {
    for (const client of clients) client.drop()
  } else if (request.type === 'connect') {
    await connectAll(request.atOnce, times, faults)
  } else {
    await emitAll(request, times, faults)
  }
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const at = percentilesOf(times)
  const share = (user + system) / 1e6 / seconds
  return { seconds, p50Ms: at(0.5), p99Ms: at(0.99), cpu: share, retries, faults: faults.slice(0, 5) }
}

async function connectAll(atOnce: number, times: number[], faults: string[]): Promise<void> {
  const queue = clients.filter((client) => !client.connected)
  let next = 0
  const worker = async () => {
    for (let client = queue[next++]; client !== undefined; client = queue[next++]) {
      const began = performance.now()
      try {
        await connectWithRetries(client)
        if (client.user.known !== null) await syncOnce(client, client.user.known, faults)
        times.push(performance.now() - began)
      } catch (error) {
        faults.push(String(error))
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, queue.length) }, worker))
}

/** Retries rejected connections, as standard clients do. */
async function connectWithRetries(client: HerdClient): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await client.connect()
    } catch (error) {
      if (tries === ATTEMPTS) throw error
      retries++
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * (0.5 + Math.random())))
    }
  }
}

/** Syncs to the end and checks that it returned the expected number of messages. */
async function syncOnce(client: HerdClient, conversations: Record<string, number>, faults: string[]): Promise<void> {
  let messages = 0
  for (let after: string | null = null, pages = 0; pages < 100; pages++) {
    const answer = await client.emit('sync', { conversations, after })
    if (!answer.success) return void faults.push(`sync: ${JSON.stringify(answer)}`)
    const page = answer.data as SyncPage
    for (const each of page.conversations) messages += each.messages.length
    if (!page.hasMore) break
    after = page.after
  }
  if (messages !== client.user.missed) faults.push(`sync returned ${messages} messages, not ${client.user.missed}`)
}

async function emitAll(
  { event, payload, awaited, events }: HerdRequest & { type: 'emit' },
  times: number[],
  faults: string[],
): Promise<void> {
  let counted = 0
  const { promise: all, resolve } = Promise.withResolvers<boolean>()
  for (const client of clients) {
    client.counted.clear()
    client.onCounted = () => {
      if (client.counted.get(awaited) === undefined) return
      counted += client.counted.get(awaited) ?? 0
      client.counted.clear()
      if (counted >= events) resolve(true)
    }
  }
  const timer = setTimeout(resolve, WAIT_MS, false)
  await Promise.all(
    clients.map(async (client) => {
      const began = performance.now()
      const answer = await client.emit(event, payload)
      times.push(performance.now() - began)
      if (!answer.success) faults.push(`${event}: ${JSON.stringify(answer)}`)
    }),
  )
  await all
  clearTimeout(timer)
  // Wait for duplicates.
  await new Promise((done) => setTimeout(done, 300))
  if (counted !== events) faults.push(`${counted} ${awaited} instead of ${events}`)
}

process.on('message', (request: HerdRequest) => {
  execute(request).then(
    (answer) => process.send?.(answer),
    (error) => {
      console.error(error)
      process.exit(1)
    },
  )
})
process.once('disconnect', () => process.exit())

import { join, resolve } from 'node:path'
import { parseArguments, USAGE, UsageError } from './arguments.ts'
import { type LocalCluster, startLocalCluster } from './cluster.ts'
import { createDemoUsers, type DemoUser } from './demo/people.ts'
import { seedDemo } from './demo/seed.ts'
import { type Lock, takeLock } from './lock.ts'
import { assertPortFree } from './port-owner.ts'
import { repositoryRoot } from './processes.ts'
import { step } from './steps.ts'
import { summary } from './summary.ts'

/** Everything must have stopped within 10 s of the first signal. */
const STOP_BOUND_MS = 9_500
const print = (line: string) => console.log(line)

class StopRequested extends Error {}

async function run(argv: readonly string[]): Promise<number> {
  const began = performance.now()
  const { env } = process
  const wanted = parseArguments(argv, env)
  if (wanted.help) {
    print(USAGE)
    return 0
  }
  const home = env.PARLEY_HOME ? resolve(env.PARLEY_HOME) : join(repositoryRoot(), '.parley')
  const host = env.HOST || '127.0.0.1'
  const stop = listenForStop()
  let lock: Lock | undefined
  let cluster: LocalCluster | undefined
  try {
    const held = await takeLock(home, addressOf(host, wanted.port), print)
    lock = held
    stop.signal.addEventListener('abort', () => void held.update({ stopping: true }).catch(() => undefined))
    await assertPortFree(host, wanted.port)
    cluster = await startLocalCluster({ ...wanted, home, host, env, print, signal: stop.signal })
    const address = addressOf(host, cluster.port)
    await lock.update({ address })
    const users = await createDemoUsers(address).catch((error: Error) => error.message)
    if (wanted.demo && typeof users !== 'string')
      await fillWithDemo(cluster, { address, users, home, signal: stop.signal })
    const seconds = (performance.now() - began) / 1000
    const logs = join(home, 'logs')
    if (!stop.signal.aborted) {
      const { webClient } = cluster
      print(summary({ address, host, webClient, seconds, gateways: cluster.gateways(), logs, users }))
    }
    await stop.requested
    return 0
  } catch (error) {
    if (stop.signal.aborted) return 0
    throw error
  } finally {
    await cluster?.stop()
    await lock?.release()
  }
}

interface DemoOptions {
  address: string
  users: readonly DemoUser[]
  home: string
  signal: AbortSignal
}

/** Creates the demo conversations in an empty cluster. Never rejects: the cluster works without them. */
async function fillWithDemo({ settings }: LocalCluster, options: DemoOptions): Promise<void> {
  const lines: string[] = []
  const databaseUrl = settings.DATABASE_URL
  if (databaseUrl === undefined) return
  try {
    const seeded = await step(
      (line) => lines.push(line),
      'Demo data',
      () => seedDemo({ ...options, databaseUrl }),
      (made) => (made ? `${made.conversations} conversations, ${made.messages} messages` : ''),
    )
    if (seeded) for (const line of lines) print(line)
  } catch (error) {
    if (!options.signal.aborted)
      print(`Could not create the demo conversations: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Listens for signals and the end of the starter, which both request a stop. Repeated requests change nothing. */
function listenForStop() {
  const controller = new AbortController()
  const requested = Promise.withResolvers<void>()
  const ask = () => {
    if (controller.signal.aborted) return
    const began = performance.now()
    print('\nStopping ...')
    process.once('exit', () => print(`Stopped in ${((performance.now() - began) / 1000).toFixed(1)} s`))
    setTimeout(() => {
      print('Not everything stopped in time. The rest will stop by itself once this process has exited.')
      process.exit(1)
    }, STOP_BOUND_MS).unref()
    controller.abort(new StopRequested('stopped'))
    requested.resolve()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask)
  process.once('disconnect', ask)
  return { signal: controller.signal, requested: requested.promise }
}

function addressOf(host: string, port: number): string {
  const name = host === '127.0.0.1' || host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}

// A closed terminal (EPIPE) must not prevent an orderly stop.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : messageOf(error))
  process.exitCode = error instanceof UsageError ? 2 : 1
}
process.exit()

function messageOf(error: unknown): string {
  return `\nParley could not start: ${error instanceof Error ? error.message : String(error)}`
}

import { execFile } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { storageOriginIn } from '../../static/src/storage-origin.ts'
import { type Edge, startEdge, type Target } from './edge.ts'
import { portError } from './port-owner.ts'
import { type AppProcess, repositoryRoot, spawnApp } from './processes.ts'
import { localJwtSecret, localVapidPair } from './secrets.ts'
import { startServices } from './service-units.ts'
import type { Log } from './services/keep.ts'
import { step } from './steps.ts'
import { type Supervised, supervise } from './supervisor.ts'
import { ensureWebClient, type WebClientBuild } from './web-client.ts'

type Environment = Record<string, string | undefined>

export interface ClusterOptions {
  /** Where data, logs and secrets are kept. */
  home: string
  host: string
  /** 0 picks any free port. */
  port: number
  gateways: number
  /** Whether to delete the data of earlier runs first. */
  fresh: boolean
  env: Environment
  print: Log
  /** Aborting it cancels the start at the next step. */
  signal: AbortSignal
}

export interface LocalCluster {
  readonly port: number
  /** Whether the chat is served at `/`; false if it could not be built. */
  readonly webClient: boolean
  /** The processes' settings, including the addresses of services started here. */
  readonly settings: Environment
  /** The gateways that are running now. */
  gateways(): { name: string; pid: number; port: number }[]
  /** Stops everything: the apps, then the edge, then the services. Never rejects. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const MIGRATION_BOUND_MS = 5 * 60_000
/** How long apps may take to stop, in milliseconds; leaves time for the services within the promised ten seconds. */
const APP_STOP_MS = 5_000

/**
 * Starts the whole cluster: services, migrations, apps, edge, in that order. If a step fails, everything started before it is
 * stopped again.
 * @throws the step's error, or the signal's reason
 */
export async function startLocalCluster(options: ClusterOptions): Promise<LocalCluster> {
  const { home, env, print, signal } = options
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne().catch((error) => print(`While stopping: ${error}`))
  }
  try {
    await prepareFolders(options)
    const building = buildWebClient(print, signal)
    const services = await startServices({ home, env, print, stops })
    signal.throwIfAborted()
    const settings = await appSettings(home, env, services)
    await step(print, 'Schema', () => migrate(settings))
    signal.throwIfAborted()

    const edgeHolder: { edge?: Edge } = {}
    stops.push(async () => edgeHolder.edge?.close())
    const apps = await step(print, 'Apps', () => startApps(options, settings, stops), describeApps)
    signal.throwIfAborted()
    const api = apps.filter(({ name }) => name.startsWith('api'))
    const gateways = apps.filter(({ name }) => name.startsWith('gateway'))
    const web = await building
    signal.throwIfAborted()
    edgeHolder.edge = await startEdge({
      host: options.host,
      port: options.port,
      targets: { api: () => targetsOf(api), gateway: () => targetsOf(gateways) },
      web: web && { directory: web.directory, storageOrigin: storageOriginIn(settings) },
    }).catch(async (error) => {
      throw await portError(options.host, options.port, error)
    })
    return {
      port: edgeHolder.edge.port,
      webClient: web !== undefined,
      settings,
      gateways: () =>
        gateways.flatMap(({ name, current }) =>
          current && current.port !== null ? [{ name, pid: current.pid, port: current.port }] : [],
        ),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Builds the web client. Never rejects: a cluster without it is still useful, for example to develop the chat itself. */
async function buildWebClient(print: Log, signal: AbortSignal): Promise<WebClientBuild | undefined> {
  const describe = ({ built }: WebClientBuild) => (built ? 'built' : 'up to date')
  try {
    return await step(print, 'Web client', () => ensureWebClient(signal), describe)
  } catch (error) {
    if (!signal.aborted) print(error instanceof Error ? error.message : String(error))
    return undefined
  }
}

/** Creates the cluster's folder. With `fresh`, first deletes the data of earlier runs, but not secrets and logs. */
export async function prepareFolders({
  home,
  fresh,
  env,
  print,
}: Pick<ClusterOptions, 'home' | 'fresh' | 'env' | 'print'>): Promise<void> {
  if (fresh) {
    for (const folder of ['postgres', 'redis', 's3']) {
      await rm(join(home, folder), { recursive: true, force: true, maxRetries: 5 })
    }
    await rm(join(home, 'demo-seeding'), { force: true })
    print(`Starting fresh: deleted the data in ${home}`)
    for (const name of ['DATABASE_URL', 'REDIS_URL', 'S3_ENDPOINT']) {
      if (env[name]) print(`Data at your own ${name} is kept`)
    }
  }
  await mkdir(join(home, 'logs'), { recursive: true })
}

/** Returns the environment of the apps: the user's own settings, overridden by those of this cluster. */
export async function appSettings(home: string, env: Environment, services: Environment): Promise<Environment> {
  const own = Object.entries(env).filter(([name]) => !/^npm_/i.test(name))
  const ownKeys = Boolean(env.JWT_SECRET || env.JWT_JWKS_URL)
  return {
    ...Object.fromEntries(own),
    ...(ownKeys ? {} : { JWT_SECRET: await localJwtSecret(home) }),
    ...(await vapidSettings(home, env)),
    ...services,
    LOG_LEVEL: env.LOG_LEVEL || 'warn',
    // Demo users can sign in outside production only.
    NODE_ENV: 'development',
    HOST,
    PORT: '0',
    ADMIN_PORT: '0',
  }
}

/** Returns this machine's push keys, unless the user has set any (the apps complain about half a pair). */
async function vapidSettings(home: string, env: Environment): Promise<Environment> {
  if (env.VAPID_PUBLIC_KEY || env.VAPID_PRIVATE_KEY) return {}
  const { publicKey, privateKey } = await localVapidPair(home)
  return { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey }
}

async function migrate(settings: Environment): Promise<void> {
  const program = join(repositoryRoot(), 'packages/db/src/migrate.ts')
  const options = { env: settings, cwd: repositoryRoot(), timeout: MIGRATION_BOUND_MS }
  try {
    await promisify(execFile)(process.execPath, [program], options)
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new Error(`Could not bring the database schema up to date:\n    ${said || error}`)
  }
}

async function startApps(
  options: ClusterOptions,
  settings: Environment,
  stops: (() => Promise<void>)[],
): Promise<Supervised<AppProcess>[]> {
  const names = ['api', ...Array.from({ length: options.gateways }, (_, index) => `gateway-${index + 1}`), 'worker']
  // If one app fails to start, do not wait for the others.
  const failed = new AbortController()
  const starting = AbortSignal.any([failed.signal, options.signal])
  const started = await Promise.allSettled(
    names.map((name) =>
      superviseApp(name, { ...options, signal: starting }, settings).catch((error) => {
        failed.abort(error)
        throw error
      }),
    ),
  )
  const apps = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  stops.push(async () => {
    await Promise.all(apps.map((app) => app.stop()))
  })
  starting.throwIfAborted()
  return apps
}

function superviseApp(name: string, options: ClusterOptions, settings: Environment): Promise<Supervised<AppProcess>> {
  const file = join(options.home, 'logs', `${name}.log`)
  const log = createWriteStream(file)
  log.on('error', (error) => options.print(`Cannot write to ${file}: ${error.message}`))
  const app = name === 'api' || name === 'worker' ? name : 'gateway'
  const start = (stopped: AbortSignal) =>
    spawnApp({
      app,
      name,
      env: settings,
      log: (line) => log.write(`${line}\n`),
      signal: AbortSignal.any([stopped, options.signal]),
      stopTimeoutMs: APP_STOP_MS,
    })
  return supervise({ name, start, hint: `log: ${file}` }, { log: options.print })
}

function describeApps(apps: Supervised<AppProcess>[]): string {
  return apps.map(({ name }) => name).join(', ')
}

function targetsOf(apps: readonly Supervised<AppProcess>[]): Target[] {
  return apps.flatMap(({ current }) => (current && current.port !== null ? [{ host: HOST, port: current.port }] : []))
}

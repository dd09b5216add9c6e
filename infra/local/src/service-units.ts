import { join } from 'node:path'
import { s3Environment, startPostgres, startRedis, startS3 } from './services/index.ts'
import type { Log } from './services/keep.ts'
import { step } from './steps.ts'
import { type Child, type Supervised, supervise } from './supervisor.ts'

type Environment = Record<string, string | undefined>

export interface ServicesOptions {
  home: string
  env: Environment
  print: Log
  /** Receives the functions that stop the started services, even if a later one fails. */
  stops: (() => Promise<void>)[]
}

/** A service that is started unless the environment provides one. */
interface ServiceDefinition<S extends Child> {
  name: string
  /** The variable with the address of the user's own service. */
  variable: string
  /** Other variables that describe the user's own service; ignored when the service is started here. */
  companions: readonly string[]
  /** Starts it; on a restart, `port` is the one it had before. */
  start(port: number | undefined, log: Log): Promise<S>
  portOf(service: S): number
  /** The settings that apps need to reach it. */
  settingsOf(service: S): Environment
}

/**
 * Starts Postgres, Redis and S3 in parallel, except those that the environment provides, and keeps them running: one that dies is
 * restarted on its old port.
 * @returns the settings that apps need to reach them; undefined for variables of the user's environment that must not be passed on
 */
export async function startServices({ home, env, print, stops }: ServicesOptions): Promise<Environment> {
  const running: Supervised<Child>[] = []
  stops.push(async () => {
    await Promise.all(running.map((service) => service.stop()))
  })
  const provide = async <S extends Child>(definition: ServiceDefinition<S>) => {
    if (env[definition.variable]) {
      print(`${definition.name.padEnd(10)} your own, from ${definition.variable}`)
      return {}
    }
    const none = Object.fromEntries(definition.companions.map((name) => [name, undefined]))
    return { ...none, ...(await startService(definition, print, running)) }
  }
  // Wait for all of them even if one fails, so that those that have started are in `running` and can be stopped.
  const results = await Promise.allSettled([
    provide(postgres(join(home, 'postgres'))),
    provide(redis(join(home, 'redis'))),
    provide(s3(join(home, 's3'))),
  ])
  const settings: Environment = {}
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason
    Object.assign(settings, result.value)
  }
  return settings
}

/** Starts one supervised service and resolves to its settings. */
async function startService<S extends Child>(
  { name, start, portOf, settingsOf }: ServiceDefinition<S>,
  print: Log,
  running: Supervised<Child>[],
): Promise<Environment> {
  let port: number | undefined
  let settings: Environment = {}
  const unit = {
    name,
    start: async () => {
      const service = await start(port, (line) => print(`  ${name}: ${line}`))
      port = portOf(service)
      settings = settingsOf(service)
      return service
    },
  }
  const supervised = await step(
    print,
    name,
    () => supervise<Child>(unit, { log: print }),
    ({ current }) => `pid ${current?.pid}, port ${port}`,
  )
  running.push(supervised)
  return settings
}

function postgres(dataDir: string): ServiceDefinition<Awaited<ReturnType<typeof startPostgres>>> {
  return {
    name: 'Postgres',
    variable: 'DATABASE_URL',
    companions: ['MIGRATE_DATABASE_URL', 'DATABASE_REPLICA_URL'],
    start: (port, log) => startPostgres({ dataDir, port, log, durable: true }),
    portOf: ({ port }) => port,
    settingsOf: ({ url }) => ({ DATABASE_URL: url }),
  }
}

function redis(dataDir: string): ServiceDefinition<Awaited<ReturnType<typeof startRedis>>> {
  return {
    name: 'Redis',
    variable: 'REDIS_URL',
    companions: ['REDIS_CLUSTER'],
    start: (port, log) => startRedis({ dataDir, port, log }),
    portOf: ({ port }) => port,
    settingsOf: ({ url }) => ({ REDIS_URL: url }),
  }
}

function s3(dataDir: string): ServiceDefinition<Awaited<ReturnType<typeof startS3>>> {
  return {
    name: 'S3',
    variable: 'S3_ENDPOINT',
    companions: ['S3_PUBLIC_ENDPOINT'],
    start: (port, log) => startS3({ dataDir, port, log }),
    portOf: ({ endpoint }) => Number(new URL(endpoint).port),
    settingsOf: s3Environment,
  }
}

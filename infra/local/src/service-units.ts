import { join } from 'node:path'
import { startPostgres, startRedis, startS3 } from './services/index.ts'
import { type Print, step } from './steps.ts'
import { type Child, type Supervised, supervise } from './supervisor.ts'

type Environment = Record<string, string | undefined>

export interface ServicesOptions {
  home: string
  env: Environment
  print: Print
  /** What stops each service that was started is added here, also when a later one fails. */
  stops: (() => Promise<void>)[]
}

/**
 * Starts those of Postgres, Redis and S3 that the environment names none of, at once, and keeps them running: one that dies
 * comes back on its old port.
 *
 * @returns the settings with which the apps reach them
 */
export async function startServices({ home, env, print, stops }: ServicesOptions): Promise<Environment> {
  const running: Supervised<Child>[] = []
  stops.push(async () => {
    await Promise.all(running.map((service) => service.stop()))
  })
  const ports = new Map<string, number>()
  /** Starts one service under supervision and resolves to it as it first came up. */
  const keep = async <S extends Child>(name: string, start: (port: number | undefined, tell: Print) => Promise<S>) => {
    let first: S | undefined
    let say: Print = print
    const unit = {
      name,
      start: async () => {
        const service = await start(ports.get(name), (line) => say(line))
        first ??= service
        return service
      },
    }
    return step(
      print,
      name,
      async (tell) => {
        say = tell
        running.push(await supervise<Child>(unit, { log: print }))
        say = (line) => print(`  ${name}: ${line}`)
        if (!first) throw new Error(`${name} did not start`)
        return first
      },
      (service) => `pid ${service.pid}`,
    )
  }

  const postgres = async () => {
    if (env.DATABASE_URL) return given(print, 'Postgres', 'DATABASE_URL')
    const { url } = await keep('Postgres', async (port, log) => {
      const service = await startPostgres({ dataDir: join(home, 'postgres'), port, log, durable: true })
      ports.set('Postgres', service.port)
      return service
    })
    return { DATABASE_URL: url }
  }
  const redis = async () => {
    if (env.REDIS_URL) return given(print, 'Redis', 'REDIS_URL')
    const { url } = await keep('Redis', async (port, log) => {
      const service = await startRedis({ dataDir: join(home, 'redis'), port, log })
      ports.set('Redis', service.port)
      return service
    })
    return { REDIS_URL: url }
  }
  const s3 = async () => {
    if (env.S3_ENDPOINT) return given(print, 'S3', 'S3_ENDPOINT')
    const store = await keep('S3', async (port, log) => {
      const service = await startS3({ dataDir: join(home, 's3'), port, log })
      ports.set('S3', Number(new URL(service.endpoint).port))
      return service
    })
    return {
      S3_ENDPOINT: store.endpoint,
      S3_REGION: store.region,
      S3_BUCKET: store.bucket,
      S3_ACCESS_KEY_ID: store.accessKeyId,
      S3_SECRET_ACCESS_KEY: store.secretAccessKey,
      S3_FORCE_PATH_STYLE: 'true',
    }
  }

  // All are waited for, also when one fails: what has come up by then is in `running` and can be stopped.
  const results = await Promise.allSettled([postgres(), redis(), s3()])
  const settings: Environment = {}
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason
    Object.assign(settings, result.value)
  }
  return settings
}

function given(print: Print, name: string, variable: string): Environment {
  print(`${name.padEnd(10)} yours, from ${variable}`)
  return {}
}

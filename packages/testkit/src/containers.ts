import { freePort, type S3Address } from '@parley/local/services'
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers'
import type { StartedService } from './global-setup.ts'
import { type TestRedis, withClient } from './redis.ts'

/** The images used in docker-compose.yml. */
const POSTGRES = 'postgres:18'
const REDIS = 'redis:8'
const S3 = 'chrislusf/seaweedfs:latest'
const START_BOUND_MS = 120_000

// The reaper would be another image to fetch, and everything started here is stopped by its owner.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true'

function stopping(container: StartedTestContainer): () => Promise<void> {
  return async () => {
    await container.stop({ timeout: 0, remove: true, removeVolumes: true })
  }
}

function hostOf(container: StartedTestContainer, port: number): string {
  return `${container.getHost()}:${container.getMappedPort(port)}`
}

/** Starts a new Postgres. @returns a superuser's address */
export async function postgresInContainer(): Promise<StartedService<string>> {
  const container = await new GenericContainer(POSTGRES)
    .withEnvironment({ POSTGRES_USER: 'parley', POSTGRES_PASSWORD: 'parley', POSTGRES_DB: 'parley' })
    .withCommand(['postgres', '-c', 'max_connections=300', '-c', 'fsync=off', '-c', 'full_page_writes=off'])
    .withExposedPorts(5432)
    // Logged once while the image initializes the database, and again when it is up.
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .withStartupTimeout(START_BOUND_MS)
    .start()
  return { value: `postgres://parley:parley@${hostOf(container, 5432)}/parley`, stop: stopping(container) }
}

/** Starts a new Redis, which keeps its address when killed and restarted. */
export async function redisInContainer(): Promise<TestRedis> {
  const port = await freePort()
  const container = await new GenericContainer(REDIS)
    .withCommand(['redis-server', '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'])
    .withExposedPorts({ container: 6379, host: port })
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .withStartupTimeout(START_BOUND_MS)
    .start()
  const url = `redis://${container.getHost()}:${port}`
  const engine = await getContainerRuntimeClient()
  const server = engine.container.getById(container.getId())
  let paused = false
  const resume = async () => {
    if (paused) await server.unpause()
    paused = false
  }
  return {
    url,
    kill: async () => {
      await server.kill()
      await server.wait()
    },
    start: async () => {
      await server.start()
      await withClient(url, (client) => client.ping())
    },
    pause: async () => {
      if (!paused) await server.pause()
      paused = true
    },
    resume,
    [Symbol.asyncDispose]: async () => {
      await resume()
      await stopping(container)()
    },
  }
}

/** Starts a new S3 server; without configured keys it accepts any. */
export async function s3InContainer(): Promise<StartedService<S3Address>> {
  const container = await new GenericContainer(S3)
    .withEnvironment({ S3_BUCKET: 'parley' })
    .withCommand(['mini', '-dir=/data'])
    .withExposedPorts(8333)
    .withWaitStrategy(Wait.forListeningPorts())
    .withStartupTimeout(START_BOUND_MS)
    .start()
  const keys = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' }
  const address = { endpoint: `http://${hostOf(container, 8333)}`, region: 'us-east-1', bucket: 'parley', ...keys }
  return { value: address, stop: stopping(container) }
}

import { randomBytes } from 'node:crypto'
import { type AppEntry, type Edge, startEdge, type Target } from '@parley/local'
import { s3Environment } from '@parley/local/services'
import type { User } from '@parley/protocol'
import type pg from 'pg'
import type { Socket } from 'socket.io-client'
import { createTestBucket } from './bucket.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { HealthChecks } from './health.ts'
import { type Api, apiClient, dataOf } from './http.ts'
import { LogRing } from './logs.ts'
import { signToken } from './people.ts'
import { type Pod, startPod } from './pod.ts'
import { createTestRedis, type TestRedis } from './redis.ts'
import { type ConnectOptions, connect } from './sockets.ts'

/** The server accepts at most this many people in one request. */
const USERS_PER_REQUEST = 1_000

export interface ClusterOptions {
  /** The number of processes of each app. Defaults: 2 gateways, 1 api, 1 worker. */
  gateways?: number
  apis?: number
  workers?: number
  /** Whether to start the edge. Default true; without it, `cluster.url` is the first api's address. */
  edge?: boolean
  /** Settings for every process, which override the cluster's own. */
  env?: Record<string, string>
  /** Return other addresses for the services, given the real ones, such as that of a proxy. */
  databaseUrl?: (real: string) => string
  redisUrl?: (real: string) => string
  /** Settings of one process, which override all others, e.g. the address of a proxy in front of its Redis. */
  podEnv?: (name: string) => Record<string, string>
  /** Services to use instead of new ones; the caller disposes them. Outside Vitest, both are required. */
  services?: { database?: Pick<TestDatabase, 'url' | 'sql'>; redis?: TestRedis }
  /** Whether the edge checks that each process is ready, as a balancer does, and skips those that are not. */
  healthChecks?: boolean
  /** Programs to run instead of the apps, for tests of the testkit. */
  entries?: Partial<Record<'api' | 'gateway' | 'worker', AppEntry>>
}

export interface SocketChoice extends ConnectOptions {
  /** Connects directly to this gateway instead of through the edge. */
  gateway?: number
  /** Claims that override the token's own. */
  claims?: Record<string, unknown>
}

/** A running cluster of real processes with its own database and Redis. */
export interface Cluster extends AsyncDisposable {
  /** The public address. */
  readonly url: string
  readonly gateways: readonly Pod[]
  readonly apis: readonly Pod[]
  readonly workers: readonly Pod[]
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly redis: TestRedis
  readonly sql: pg.Pool
  readonly jwtSecret: string
  token(who: User | string, claims?: Record<string, unknown>): string
  /** Connects a socket as this person; it is closed with the cluster. */
  socket(who: User | string, choice?: SocketChoice): Promise<Socket>
  /** Returns an HTTP client for this person; null sends no token. */
  api(who: User | string | null): Api
  /** Returns an HTTP client for the embedding product's server (a token with the role `service`). */
  service(): Api
  /** Registers these people, as the embedding product would. */
  register(...people: User[]): Promise<void>
  /** Closes every connection through the edge; the edge is back immediately on the same port. */
  dropConnections(): Promise<void>
  /** Returns the last 5,000 lines of the processes' logs, or those of the given process among them. */
  logs(name?: string): string
}

/** Starts a cluster. `await using` stops it and deletes its data. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const logs = new LogRing('cluster')
  await using undo = new AsyncDisposableStack()
  undo.defer(() => {
    logs.ended = true
  })
  const database = options.services?.database ?? undo.use(await createTestDatabase())
  const redis = options.services?.redis ?? undo.use(await createTestRedis())
  const jwtSecret = randomBytes(32).toString('base64url')
  const env = await environment(options, database.url, redis.url, jwtSecret)
  const start = async (app: 'api' | 'gateway' | 'worker', index: number) => {
    const name = `${app}-${index + 1}`
    const podEnv = { ...env, ...options.podEnv?.(name) }
    const pod = await startPod({ app: options.entries?.[app] ?? app, name, env: podEnv, logs })
    undo.defer(() => pod.stop())
    return pod
  }
  const [apis, gateways, workers] = await allOrError([
    many(options.apis ?? 1, (index) => start('api', index)),
    many(options.gateways ?? 2, (index) => start('gateway', index)),
    many(options.workers ?? 1, (index) => start('worker', index)),
  ])
  const health = options.healthChecks ? undo.use(new HealthChecks([...apis, ...gateways])) : undefined
  let edge = options.edge === false ? undefined : await openEdge(apis, gateways, health)
  undo.defer(() => edge?.close())
  const url = edge ? `http://127.0.0.1:${edge.port}` : (apis[0]?.url ?? gateways[0]?.url ?? '')
  const clients = clientsOf(url, gateways, jwtSecret)
  undo.defer(() => clients.close())
  const parts = undo.move()
  return {
    url,
    gateways,
    apis,
    workers,
    databaseUrl: database.url,
    redisUrl: redis.url,
    redis,
    sql: database.sql,
    jwtSecret,
    token: clients.token,
    socket: clients.socket,
    api: clients.api,
    service: clients.service,
    register: clients.register,
    dropConnections: async () => {
      const port = edge?.port
      await edge?.close()
      edge = await openEdge(apis, gateways, health, port)
    },
    logs: (name) => logs.text(name),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** Waits for all even if one fails, so that those that started can be stopped. */
async function allOrError<T extends readonly Promise<unknown>[]>(starts: readonly [...T]) {
  await Promise.allSettled(starts)
  return Promise.all(starts)
}

function many<T>(count: number, start: (index: number) => Promise<T>): Promise<T[]> {
  return allOrError(Array.from({ length: count }, (_, index) => start(index)))
}

async function environment(
  options: ClusterOptions,
  databaseUrl: string,
  redisUrl: string,
  jwtSecret: string,
): Promise<Record<string, string>> {
  const outsideVitest = options.services?.database !== undefined && options.services.redis !== undefined
  const bucket = outsideVitest ? null : await createTestBucket()
  const s3 = bucket && s3Environment(bucket)
  return {
    NODE_ENV: 'test',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'info',
    DATABASE_URL: options.databaseUrl?.(databaseUrl) ?? databaseUrl,
    REDIS_URL: options.redisUrl?.(redisUrl) ?? redisUrl,
    JWT_SECRET: jwtSecret,
    HOST: '127.0.0.1',
    ADMIN_PORT: '0',
    ...s3,
    ...(process.env.NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS }),
    ...options.env,
  }
}

function openEdge(
  apis: readonly Pod[],
  gateways: readonly Pod[],
  health: HealthChecks | undefined,
  port = 0,
): Promise<Edge> {
  const targets = (pods: readonly Pod[]) => (): Target[] => {
    const running = pods.filter((pod) => pod.running)
    const chosen = health?.choose(running) ?? running
    return chosen.map((pod) => ({ host: '127.0.0.1', port: Number(new URL(pod.url).port) }))
  }
  return startEdge({ port, host: '127.0.0.1', targets: { api: targets(apis), gateway: targets(gateways) } })
}

function clientsOf(url: string, gateways: readonly Pod[], secret: string) {
  const sockets = new Set<Socket>()
  const token = (who: User | string, claims?: Record<string, unknown>) => signToken(who, secret, claims)
  const api = (who: User | string | null) => apiClient(url, who === null ? undefined : token(who))
  const service = () => apiClient(url, token('testkit-service', { role: 'service' }))
  const socket = async (who: User | string, choice: SocketChoice = {}) => {
    const { gateway, claims, ...options } = choice
    const address = gateway === undefined ? url : gateways[gateway]?.url
    if (address === undefined) throw new Error(`There is no gateway ${gateway}, only ${gateways.length}`)
    const opened = await connect(address, { auth: { token: token(who, claims) }, ...options })
    sockets.add(opened)
    return opened
  }
  const register = async (...people: User[]) => {
    for (let from = 0; from < people.length; from += USERS_PER_REQUEST) {
      const users = people.slice(from, from + USERS_PER_REQUEST)
      dataOf(await service().post('/api/users', { users }))
    }
  }
  const close = () => {
    for (const opened of sockets) opened.disconnect()
  }
  return { token, api, service, socket, register, close }
}

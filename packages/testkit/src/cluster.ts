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

/** The server takes at most this many people in one request. */
const USERS_PER_REQUEST = 1_000

export interface ClusterOptions {
  /** How many processes of each app. Defaults: 2 gateways, 1 api, 1 worker. */
  gateways?: number
  apis?: number
  workers?: number
  /** Whether the edge stands in front. Default true; without it `cluster.url` is the first api's. */
  edge?: boolean
  /** Settings on top of the cluster's own, for every process. */
  env?: Record<string, string>
  /** Other addresses for the services, to put a proxy between; each gets the real one. */
  databaseUrl?: (real: string) => string
  redisUrl?: (real: string) => string
  /** Settings of one process on top of all others, e.g. a proxy of its own in front of Redis. */
  podEnv?: (name: string) => Record<string, string>
  /** Services to use in place of new ones; they stay the caller's. For runs without Vitest both are needed. */
  services?: { database?: Pick<TestDatabase, 'url' | 'sql'>; redis?: TestRedis }
  /** Has the edge ask each process whether it is ready, as a balancer does, and leave out those that are not. */
  healthChecks?: boolean
  /** Programs to run in place of the apps, for tests of the testkit. */
  entries?: Partial<Record<'api' | 'gateway' | 'worker', AppEntry>>
}

export interface SocketChoice extends ConnectOptions {
  /** Connects to this gateway past the edge. */
  gateway?: number
  /** Claims on top of the token's own. */
  claims?: Record<string, unknown>
}

/** A running cluster of real processes on its own database and its own Redis. */
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
  /** A connected socket of this person. Closed with the cluster. */
  socket(who: User | string, choice?: SocketChoice): Promise<Socket>
  /** HTTP as this person; null sends no token. */
  api(who: User | string | null): Api
  /** HTTP as the embedding product's server (a token with role `service`). */
  service(): Api
  /** Makes these people known, as the embedding product would. */
  register(...people: User[]): Promise<void>
  /** Cuts every connection through the edge at once; the edge is there again on the same port at once. */
  dropConnections(): Promise<void>
  /** What the processes have written, the last 5,000 lines; of one of them where it is named. */
  logs(name?: string): string
}

/** Starts a cluster. `await using` stops it and drops its data. */
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

/** Waits for all even when one fails, so that what the others started can be stopped. */
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
    if (address === undefined) throw new Error(`There is no gateway ${gateway}; there are ${gateways.length}`)
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

import type { ConversationType, User } from '@parley/protocol'
import type { TestRedis } from '@parley/testkit'
import {
  type Cluster,
  dataOf,
  type OwnPostgres,
  ownPostgres,
  ownRedis,
  startCluster,
  type TcpProxy,
  tcpProxy,
  user,
} from '@parley/testkit'

const GATEWAYS = 3
const APIS = 2
const WORKERS = 2
const GROUP_SIZES = [3, 5, 8, 12]

export interface StageOptions {
  clients: number
  /** Settings for every process, which override the usual ones. */
  env?: Record<string, string>
}

/** The cluster under test, its services, and its people with their initial conversations. */
export interface Stage extends AsyncDisposable {
  cluster: Cluster
  postgres: OwnPostgres
  redis: TestRedis
  /** The proxies between each gateway and Redis. */
  proxies: TcpProxy[]
  users: User[]
}

/** Starts a cluster with its own services, a proxy between each gateway and Redis, and this many people. */
export async function setStage({ clients, env = {} }: StageOptions): Promise<Stage> {
  await using undo = new AsyncDisposableStack()
  const log = () => undefined
  const [postgres, redis] = await Promise.all([ownPostgres(log), ownRedis()])
  undo.use(postgres)
  undo.use(redis)
  const { hostname: host, port } = new URL(redis.url)
  const proxies = await Promise.all(Array.from({ length: GATEWAYS }, () => tcpProxy({ host, port: Number(port) })))
  for (const proxy of proxies) undo.use(proxy)
  const cluster = undo.use(
    await startCluster({
      gateways: GATEWAYS,
      apis: APIS,
      workers: WORKERS,
      services: { database: postgres, redis },
      healthChecks: true,
      env: { LOG_LEVEL: 'warn', ...env },
      podEnv: (name) => {
        const proxy = proxies[Number(/^gateway-(\d+)$/.exec(name)?.[1] ?? 0) - 1]
        return proxy === undefined ? {} : { REDIS_URL: proxy.rewrite(redis.url) }
      },
    }),
  )
  const users = Array.from({ length: clients }, (_, index) => user(`Person ${index + 1}`))
  await cluster.register(...users)
  await converse(cluster, users)
  const parts = undo.move()
  return { cluster, postgres, redis, proxies, users, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/** Creates groups that overlap all around the circle of people, and direct conversations between neighbors. */
async function converse(cluster: Cluster, users: User[]): Promise<void> {
  const at = (index: number) => users[index % users.length] as User
  const create = async (members: User[], type: ConversationType) => {
    const [owner, ...others] = [...new Set(members)]
    if (owner === undefined || others.length === 0) return
    const body = { type, participantIds: others.map(({ id }) => id) }
    dataOf(await cluster.api(owner).post('/api/messages/conversations', body))
  }
  for (let from = 0, turn = 0; from < users.length; from += 3, turn++) {
    const size = GROUP_SIZES[turn % GROUP_SIZES.length] ?? 3
    // Take every third person, so that groups cut across neighborhoods.
    await create(
      Array.from({ length: size }, (_, step) => at(from + step * 3 + (step % 2))),
      'GROUP',
    )
  }
  for (let index = 0; index + 1 < users.length; index += 2) await create([at(index), at(index + 1)], 'DIRECT')
}

export { s3Environment } from '@parley/local/services'
export { createTestBucket } from './bucket.ts'
export { createTestCertificate } from './certificate.ts'
export { type Cluster, type ClusterOptions, type SocketChoice, startCluster } from './cluster.ts'
export { direct, group } from './conversations.ts'
export { createTestDatabase, type TestDatabase } from './database.ts'
export { type Api, apiClient, dataOf, errorOf, type HttpAnswer, type Reply } from './http.ts'
export { listenOnLoopback } from './listen.ts'
export { signToken, user } from './people.ts'
export type { Pod } from './pod.ts'
export { type OwnPostgres, ownPostgres } from './postgres.ts'
export { PROFILES, type Profile } from './profiles.ts'
export { type ProvidedServices, providedServices } from './provided.ts'
export { type TcpProxy, tcpProxy } from './proxy.ts'
export type { ReceivedPush } from './push/received-push.ts'
export {
  type PushAnswer,
  type PushService,
  type PushServiceOptions,
  startPushService,
  type TestDevice,
} from './push/service.ts'
export { vapidSettings } from './push/settings.ts'
export { createTestRedis, ownRedis, redisClient, type TestRedis } from './redis.ts'
export { type ClusterNode, type RedisClusterOptions, redisCluster, type TestRedisCluster } from './redis-cluster.ts'
export { type SecuredServices, securedServices, throughPgBouncer } from './secured.ts'
export {
  type Bound,
  ConnectError,
  type ConnectOptions,
  collect,
  connect,
  disconnected,
  emit,
  next,
  reconnected,
} from './sockets.ts'
export { standbyOf, type TestStandby } from './standby.ts'
export { type Fate, type StoreFront, storeFront } from './store-front.ts'
export { type ReceivedSpan, startTraceReceiver, type TraceReceiver } from './trace-receiver.ts'

export { type RedisAddress, redisAddress } from './address.ts'
export { type RedisConnection, redisConnections } from './connections.ts'
export { openRedis, type RedisClient, type RedisOptions, redisReady } from './open.ts'

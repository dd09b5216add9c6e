export { type RedisAddress, redisAddress } from './address.ts'
export { openRedis, type RedisClient, type RedisOptions, redisReady } from './open.ts'

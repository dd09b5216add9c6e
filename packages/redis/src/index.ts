export { type RedisAddress, redisAddress } from './address.ts'
export { type RedisConnection, redisConnections } from './connections.ts'
export { hasMoved, openNode, openRedis, type RedisClient, type RedisOptions, redisReady } from './open.ts'
export { SLOTS, slotOf } from './slot.ts'

/** Real services for `npm start` and tests. None of them outlives the process that started it. */
export type { Exit, Log, Running } from './keep.ts'
export { type PgBouncerOptions, type PgBouncerService, pgBouncerProgram, startPgBouncer } from './pgbouncer.ts'
export { freePort } from './ports.ts'
export { type PostgresOptions, type PostgresService, startPostgres } from './postgres.ts'
export { type StandbyOptions, startStandby } from './postgres-standby.ts'
export { type RedisOptions, type RedisService, startRedis } from './redis.ts'
export { redisProgram } from './redis-program.ts'
export { type S3Address, type S3Options, type S3Service, s3Environment, startS3 } from './s3.ts'

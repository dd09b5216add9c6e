import rateLimit from '@fastify/rate-limit'
import { ParleyError } from '@parley/protocol'
import { openRedis, type RedisAddress, type RedisClient } from '@parley/redis'
import { LIMIT_WINDOW_MS } from '@parley/runtime/windows'
import type { FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { ApiDeps } from './deps.ts'

/** How long Redis may take to count a request, in milliseconds; after that the request goes uncounted. */
const COUNT_MS = 250

/** Opens the connection for counting requests. It neither queues nor retries: a late count is worth nothing. */
export function rateLimitRedis(address: RedisAddress, onError: (error: Error) => void): RedisClient {
  return openRedis(address, {
    name: 'api:limits',
    pipelined: { except: [], standaloneOnly: true },
    queued: false,
    retries: 0,
    commandTimeoutMs: COUNT_MS,
    onError,
  })
}

/**
 * Limits the requests of each person across all pods. Services are not counted, and nothing is while Redis is away. Every
 * answer says in its `x-ratelimit-*` headers what is left. Must be registered after authentication.
 */
export const limitRequests = fastifyPlugin<{ deps: ApiDeps }>(async (app, { deps }) => {
  const { measures, rateLimit: limit } = deps
  if (limit.perPerson === 0) return
  await app.register(rateLimit, {
    redis: limit.redis,
    nameSpace: 'parley:requests:',
    max: limit.perPerson,
    timeWindow: LIMIT_WINDOW_MS,
    skipOnError: true,
    keyGenerator: (request: FastifyRequest) => request.identity?.userId ?? request.ip,
    allowList: (request: FastifyRequest) => request.identity?.service === true,
    errorResponseBuilder: (_request, { ttl }) => {
      measures.rateLimited.add('http_requests')
      return new ParleyError('RATE_LIMITED', { retryAfterMs: Math.max(1, ttl) })
    },
  })
})

import fastifyJwt from '@fastify/jwt'
import { type Identity, identityFromClaims, tokenError } from '@parley/auth'
import type { Actor } from '@parley/messaging'
import { actAsHeader, ParleyError, parse, type User } from '@parley/protocol'
import type { FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { ApiDeps } from './deps.ts'

declare module 'fastify' {
  interface FastifyRequest {
    identity: Identity | null
    actor: User | null
  }
}

/** The header in which a service names the person it acts for. Only service tokens may use it. */
const ACT_AS = 'x-act-as'

/**
 * Requires a valid token on every request; without one the answer is 401. Routes get the acting person from
 * `actorOf(request)`: the token's own person, or the one a service acts for.
 */
export const authentication = fastifyPlugin<{ deps: ApiDeps }>(async (app, { deps }) => {
  await app.register(fastifyJwt, deps.jwtOptions)
  app.decorateRequest('identity', null)
  app.decorateRequest('actor', null)
  app.addHook('onRequest', async (request) => {
    const identity = await identify(request)
    request.identity = identity
    await deps.revocations.require(identity)
    const actsFor = request.headers[ACT_AS]
    if (!identity.service) {
      if (actsFor !== undefined) throw new ParleyError('FORBIDDEN', { message: 'Only a service may act for others.' })
      request.actor = await deps.people.see(identity)
    } else if (actsFor !== undefined) {
      request.actor = await deps.people.get(parse(actAsHeader, request.headers)[ACT_AS])
    }
  })
})

async function identify(request: FastifyRequest): Promise<Identity> {
  try {
    return identityFromClaims(await request.jwtVerify())
  } catch (error) {
    throw tokenError(error)
  }
}

/**
 * Returns the person who makes the request.
 * @throws {ParleyError} FORBIDDEN when a service does not say whom it acts for
 */
export function actorOf(request: FastifyRequest): User {
  if (request.actor !== null) return request.actor
  throw new ParleyError('FORBIDDEN', { message: `A service must name the person it acts for in the ${ACT_AS} header.` })
}

/** Returns when the person's token was issued: 1970 if the token does not say, null when a service acts for them. */
export function issuedAtOf({ identity }: FastifyRequest): Date | null {
  return identity?.service === true ? null : (identity?.issuedAt ?? new Date(0))
}

/** Returns the person who makes the request, and whether a service acts for them. */
export function changerOf(request: FastifyRequest): Actor {
  return { ...actorOf(request), byService: request.identity?.service === true }
}

/** @throws {ParleyError} FORBIDDEN unless the request carries a service token */
export function requireService(request: FastifyRequest): void {
  if (request.identity?.service !== true) throw new ParleyError('FORBIDDEN', { message: 'Only a service may do this.' })
}

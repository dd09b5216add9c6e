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

/** A product's server names in this header the person it acts for; only service tokens may. */
const ACT_AS = 'x-act-as'

/**
 * Every request below this plugin carries a good token, or is answered 401. `actorOf(request)` is the person who acts:
 * the token's own, or the one whom a service acts for.
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

/** @throws {ParleyError} FORBIDDEN where a service does not say for whom it acts */
export function actorOf(request: FastifyRequest): User {
  if (request.actor !== null) return request.actor
  throw new ParleyError('FORBIDDEN', { message: `A service names the person it acts for in the ${ACT_AS} header.` })
}

/** When the token was issued by which a person acts, 1970 if it does not say; null where a service acts for them. */
export function issuedAtOf({ identity }: FastifyRequest): Date | null {
  return identity?.service === true ? null : (identity?.issuedAt ?? new Date(0))
}

/** The same person, and whether they act themself. */
export function changerOf(request: FastifyRequest): Actor {
  return { ...actorOf(request), byService: request.identity?.service === true }
}

/** @throws {ParleyError} FORBIDDEN for everybody but the product's own servers */
export function requireService(request: FastifyRequest): void {
  if (request.identity?.service !== true) throw new ParleyError('FORBIDDEN', { message: 'Only a service may do this.' })
}

import {
  invalidRequest,
  parse,
  revokeTokensBody,
  searchUsersQuery,
  upsertUsersBody,
  userBody,
  userParams,
} from '@parley/protocol'
import type { FastifyPluginAsync } from 'fastify'
import { actorOf, requireService } from '../authentication.ts'
import type { ApiDeps } from '../deps.ts'

/** How far in the future `before` may be, in milliseconds. More is treated as a mistake: it would lock the person out. */
const CLOCK_TOLERANCE_MS = 5_000

/** The person's own profile, a search for people, and the routes by which services create people and revoke tokens. */
export const userRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps: { people, revocations } }) => {
  app.get('/me', async (request) => ({ success: true, data: actorOf(request) }))

  app.get('/', async (request) => {
    actorOf(request)
    const { search = '', page, limit } = parse(searchUsersQuery, request.query)
    return { success: true, ...(await people.search(search, page, limit)) }
  })

  app.put('/:userId', async (request) => {
    requireService(request)
    const { userId: id } = parse(userParams, request.params)
    const [data] = await people.put([{ id, ...parse(userBody, request.body) }])
    return { success: true, message: 'User saved', data }
  })

  app.post('/', async (request) => {
    requireService(request)
    const { users } = parse(upsertUsersBody, request.body)
    return { success: true, message: 'Users saved', data: await people.put(users) }
  })

  app.post('/:userId/revoke-tokens', async (request) => {
    requireService(request)
    const { userId } = parse(userParams, request.params)
    const { before } = parse(revokeTokensBody, request.body)
    if (before && Date.parse(before) > Date.now() + CLOCK_TOLERANCE_MS) {
      throw invalidRequest([{ path: 'before', message: 'must not be in the future' }])
    }
    const tokensValidFrom = await revocations.revoke(userId, before ?? null)
    return { success: true, message: 'Tokens revoked', data: { userId, tokensValidFrom } }
  })
}

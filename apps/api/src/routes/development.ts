import { signToken } from '@parley/auth'
import { devSessionBody, parse } from '@parley/protocol'
import type { FastifyPluginAsync } from 'fastify'
import type { ApiDeps } from '../deps.ts'

/** Lifetime of a development token, in seconds: one week. */
const EXPIRES_IN_SECONDS = 7 * 24 * 3_600

/** Creates demo people and tokens for them. Never registered in production. */
export const developmentRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  // Lets a page check whether to offer the demo people.
  app.get('/session', async () => ({ success: true, data: { available: true } }))

  app.post('/session', async (request, reply) => {
    const wanted = parse(devSessionBody, request.body).user
    const {
      id: sub,
      fullName = null,
      profilePhoto = null,
    } = { fullName: undefined, profilePhoto: undefined, ...wanted }
    const user = await deps.people.see({ userId: sub, fullName, profilePhoto, issuedAt: new Date() })
    const claims = {
      sub,
      fullName: user.fullName,
      ...(user.profilePhoto === null ? {} : { profilePhoto: user.profilePhoto }),
    }
    const token = signToken(deps.tokenSettings, claims, { expiresInSeconds: EXPIRES_IN_SECONDS })
    return reply.status(201).send({ success: true, message: 'Session created', data: { token, user } })
  })
}

import cors from '@fastify/cors'
import { LIMITS } from '@parley/protocol'
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { authentication } from './authentication.ts'
import { boundBodies } from './body-time.ts'
import type { ApiDeps } from './deps.ts'
import { answerError, answerNotFound } from './errors.ts'
import { limitRequests } from './rate-limit.ts'
import { attachmentRoutes } from './routes/attachments.ts'
import { conversationRoutes } from './routes/conversations.ts'
import { developmentRoutes } from './routes/development.ts'
import { messageRoutes } from './routes/messages.ts'
import { muteRoutes, pushRoutes } from './routes/push.ts'
import { searchRoutes } from './routes/search.ts'
import { syncRoutes } from './routes/sync.ts'
import { uploadRoutes } from './routes/uploads.ts'
import { userRoutes } from './routes/users.ts'

/** The HTTP API. It does not listen yet: main.ts does that, tests use `inject()`. */
export async function buildApp(deps: ApiDeps): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: LIMITS.payloadBytes,
    routerOptions: { maxParamLength: 4 * LIMITS.userIdLength },
    // For a large file on a slow line; all other requests have as long as boundBodies() gives them.
    requestTimeout: 900_000,
    forceCloseConnections: 'idle',
    frameworkErrors: answerError,
  })
  app.server.headersTimeout = 30_000
  app.addHook('onRequest', boundBodies)
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(answerNotFound)
  // Fastify takes text by itself; nothing here does.
  app.removeContentTypeParser('text/plain')
  // Tokens travel in a header that no browser adds by itself, so any page may ask.
  await app.register(cors, { origin: true, methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'], maxAge: 600 })
  if (deps.tokenSettings.NODE_ENV !== 'production' && deps.tokenSettings.JWT_SECRET !== undefined) {
    await app.register(developmentRoutes, { deps, prefix: '/api/dev' })
  }
  await app.register(async (api) => {
    await api.register(authentication, { deps })
    await api.register(limitRequests, { deps })
    await api.register(attachmentRoutes, { deps, prefix: '/api/messages' })
    await api.register(conversationRoutes, { deps, prefix: '/api/messages' })
    await api.register(messageRoutes, { deps, prefix: '/api/messages' })
    await api.register(muteRoutes, { deps, prefix: '/api/messages' })
    await api.register(pushRoutes, { deps, prefix: '/api/push' })
    await api.register(searchRoutes, { deps, prefix: '/api/messages' })
    await api.register(syncRoutes, { deps, prefix: '/api/messages' })
    await api.register(uploadRoutes, { deps, prefix: '/api/messages' })
    await api.register(userRoutes, { deps, prefix: '/api/users' })
  })
  return app
}

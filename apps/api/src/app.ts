import { LIMITS } from '@parley/protocol'
import { answerNoRequest, trustsProxy } from '@parley/runtime'
import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify'
import { authentication } from './authentication.ts'
import { ignoreEmptyBodyType, limitBodyTime } from './body-time.ts'
import { browserHeaders } from './browser-headers.ts'
import { endConnections } from './closing.ts'
import type { ApiDeps } from './deps.ts'
import { answerError, answerNotFound } from './errors.ts'
import { limitRequests } from './rate-limit.ts'
import { observeRequests, requestIdOf } from './requests.ts'
import { requireHost } from './require-host.ts'
import { attachmentRoutes } from './routes/attachments.ts'
import { conversationRoutes } from './routes/conversations.ts'
import { developmentRoutes } from './routes/development.ts'
import { documentationRoutes } from './routes/documentation.ts'
import { messageRoutes } from './routes/messages.ts'
import { muteRoutes, pushRoutes } from './routes/push.ts'
import { searchRoutes } from './routes/search.ts'
import { sendMessageRoute } from './routes/send-message.ts'
import { syncRoutes } from './routes/sync.ts'
import { userRoutes } from './routes/users.ts'
import { refuseStale } from './stale.ts'

/** Builds the HTTP API without listening: main.ts listens, tests use `inject()`. */
export async function buildApp(deps: ApiDeps): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: LIMITS.payloadBytes,
    routerOptions: { maxParamLength: 4 * LIMITS.userIdLength, ignoreTrailingSlash: true },
    // Long enough for a large file on a slow connection; limitBodyTime() sets shorter limits for everything else.
    requestTimeout: 900_000,
    keepAliveTimeout: deps.http.KEEP_ALIVE_SECONDS * 1_000,
    trustProxy: trustsProxy(deps.http.TRUSTED_PROXIES),
    forceCloseConnections: 'idle',
    // While draining, requests that still reach this process are served, not refused.
    return503OnClosing: false,
    frameworkErrors: answerError,
    clientErrorHandler: answerNoRequest,
    // See requireHost().
    http: { requireHostHeader: false },
    genReqId: requestIdOf,
    requestIdHeader: false,
  })
  app.server.headersTimeout = 30_000
  await app.register(observeRequests, { deps })
  await app.register(endConnections)
  await app.register(refuseStale, { deps })
  app.addHook('onRequest', requireHost)
  app.addHook('onRequest', ignoreEmptyBodyType)
  app.addHook('onRequest', limitBodyTime)
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(answerNotFound)
  // Fastify accepts text/plain by default; no route here does.
  app.removeContentTypeParser('text/plain')
  await app.register(browserHeaders, { http: deps.http })
  if (deps.http.API_DOCS) await app.register(documentationRoutes, { prefix: '/api/docs' })
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
    await api.register(sendMessageRoute, { deps, prefix: '/api/messages' })
    await api.register(syncRoutes, { deps, prefix: '/api/messages' })
    await api.register(userRoutes, { deps, prefix: '/api/users' })
  })
  return app
}

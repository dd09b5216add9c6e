import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { openApiDocument } from '@parley/docs'
import { VERSION } from '@parley/runtime'
import type { FastifyPluginAsync } from 'fastify'

/** Allows the viewer's own files and nothing else, except inline styles, which React sets on elements. */
const POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
}

type SwaggerDocument = Extract<Parameters<typeof swagger>[1], { mode: 'static' }>['specification']

/** The API documentation: a viewer at `/`, the OpenAPI document at `/openapi.json`. Needs no token and no third party. */
export const documentationRoutes: FastifyPluginAsync = async (app) => {
  const document = openApiDocument({ version: VERSION })
  const text = JSON.stringify(document)
  // The viewer's files are relative to this path with a trailing slash.
  app.addHook('onRequest', async ({ url }, reply) => {
    if (url.split('?', 1)[0] === app.prefix) return reply.redirect(`${app.prefix}/`, 308)
  })
  await app.register(swagger, { mode: 'static', specification: { document } as unknown as SwaggerDocument })
  await app.register(swaggerUi, {
    routePrefix: '/',
    staticCSP: POLICY,
    theme: { title: 'Parley: HTTP API' },
    uiConfig: { layout: 'BaseLayout', deepLinking: true, defaultModelsExpandDepth: 0, persistAuthorization: false },
  })
  app.get('/openapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(text))
}

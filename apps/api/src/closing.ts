import { closeInTime } from '@parley/runtime'
import type { FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

/**
 * From when the app is closed, each answer ends its connection. Only those that are idle at that moment are closed by
 * Fastify: any other would stay open, and the process with it, until its client had been idle for KEEP_ALIVE_SECONDS.
 */
export const endConnections = fastifyPlugin(async (app) => {
  let closing = false
  app.addHook('preClose', (done) => {
    closing = true
    done()
  })
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close')
    done(null, payload)
  })
})

/** See {@link closeInTime}. */
export function closeApp(app: FastifyInstance, underWayMs?: number): Promise<void> {
  return closeInTime(app.server, () => app.close(), underWayMs)
}

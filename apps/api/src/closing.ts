import { closeInTime } from '@parley/runtime'
import type { FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

/**
 * Closes each connection after its next answer once the app is closing. Fastify closes only connections that are idle at that
 * moment; the others would keep the process alive until they had been idle for KEEP_ALIVE_SECONDS.
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

/** Closes the app within a time limit; see {@link closeInTime}. */
export function closeApp(app: FastifyInstance, underWayMs?: number): Promise<void> {
  return closeInTime(app.server, () => app.close(), underWayMs)
}

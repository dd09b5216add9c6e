import type { FastifyInstance } from 'fastify'
import fastifyPlugin from 'fastify-plugin'

/** How long what is under way may take once the app is closed, in milliseconds: with the drain delay, less than a forced end. */
const UNDER_WAY_MS = 10_000

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

/** Answers what is under way, and cuts off what does not come to its end: a slow upload, half a request. */
export async function closeApp(app: FastifyInstance, underWayMs = UNDER_WAY_MS): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), underWayMs)
  try {
    await app.close()
  } finally {
    clearTimeout(cut)
  }
}

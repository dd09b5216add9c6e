import type { AdminRoute } from '@parley/runtime'
import type { Queue } from 'bullmq'

/** Path of the board on the admin port. */
export const BOARD_PATH = '/queues'

/** Serves Bull Board, read-only. It is loaded on first use: most workers never show it. */
export function queueBoard(queues: readonly Queue[]): AdminRoute {
  let board: Promise<AdminRoute> | undefined
  return async (request, response) => {
    board ??= buildBoard(queues)
    const route = await board.catch((error: unknown) => {
      board = undefined
      throw error
    })
    await route(request, response)
  }
}

async function buildBoard(queues: readonly Queue[]): Promise<AdminRoute> {
  const [{ createBullBoard }, { BullMQAdapter }, { FastifyAdapter }, { fastify }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/fastify'),
    import('fastify'),
  ])
  const adapter = new FastifyAdapter()
  adapter.setBasePath(BOARD_PATH)
  createBullBoard({
    queues: queues.map((queue) => new BullMQAdapter(queue, { readOnlyMode: true })),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'Parley' } },
  })
  const app = fastify()
  await app.register(adapter.registerPlugin(), { prefix: BOARD_PATH })
  await app.ready()
  return (request, response) => app.routing(request, response)
}

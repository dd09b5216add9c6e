import type { Message, User } from '@parley/protocol'
import {
  type Cluster,
  type ConnectOptions,
  group,
  next,
  type Reply,
  reconnected,
  startCluster,
  user,
} from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterEach, beforeEach, expect, it } from 'vitest'

/*
 * SIGTERM while people are writing: a gateway answers what it has accepted, leaves the rest unanswered, and closes its sockets
 * so that stock clients reconnect elsewhere.
 */

/** A clean stop takes a moment; an orchestrator kills the process after 30 s. */
const STOP_BOUND_MS = 10_000

const people = Array.from({ length: 12 }, (_, index) => user(`Person ${index + 1}`))
let cluster: Cluster
beforeEach(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterEach(() => cluster?.[Symbol.asyncDispose]())

async function stop(index: number): Promise<void> {
  const began = performance.now()
  await cluster.gateways[index]?.kill('SIGTERM')
  expect(performance.now() - began).toBeLessThan(STOP_BOUND_MS)
}

/** Sends one message after the other until the socket disconnects. */
async function sendUntilGone(socket: Socket, conversationId: string): Promise<Reply<Message>[]> {
  const answers: Reply<Message>[] = []
  for (let count = 1; socket.connected; count++) {
    const payload = { conversationId, content: `${socket.id} ${count}`, clientMessageId: `${socket.id}-${count}` }
    // Rejects if the socket disconnects before the answer arrives.
    const answer: Reply<Message> | undefined = await socket.emitWithAck('sendMessage', payload).catch(() => undefined)
    if (answer !== undefined) answers.push(answer)
  }
  return answers
}

it.each<[string, ConnectOptions]>([
  ['WebSocket', { transports: ['websocket'] }],
  ['polling', { transports: ['polling'] }],
])('answers every accepted send, none with a failure (%s)', async (_name, options) => {
  const [owner, ...others] = people as [User, ...User[]]
  const conversation = await group(cluster, owner, others)
  const sockets = await Promise.all(
    people.map((person) => cluster.socket(person, { gateway: 0, reconnection: false, ...options })),
  )
  const sending = sockets.map((socket) => sendUntilGone(socket, conversation.id))
  const [first] = sockets as [Socket, ...Socket[]]
  await next(first, 'newMessage', ({ seq }) => seq > 100)
  await stop(0)
  const answers = (await Promise.all(sending)).flat()
  expect(answers.filter(({ success }) => !success)).toEqual([])
  const acked = answers.flatMap((answer) => (answer.success ? [answer.data.id] : []))
  const { rows } = await cluster.sql.query<{ id: string }>('select id from messages where conversation_id = $1', [
    conversation.id,
  ])
  const stored = new Set(rows.map(({ id }) => id))
  expect(acked.filter((id) => !stored.has(id))).toEqual([])
  // Over WebSocket, everything stored was also answered: the answer is sent before the socket is closed.
  if (options.transports?.[0] === 'websocket') expect(stored.size).toBe(acked.length)
})

it('lets stock clients reconnect elsewhere, and nobody is shown as offline meanwhile', async () => {
  const [watcher, ...others] = people as [User, ...User[]]
  await group(cluster, watcher, others)
  const watching = await cluster.socket(watcher, { gateway: 1 })
  // The last moment at which a stock client makes its second attempt. Whose grace were the 3 s of a client that leaves by
  // itself would be reported by then, as the reaper looks every second.
  const slow = { reconnectionDelay: 4_500, reconnectionDelayMax: 4_500, randomizationFactor: 0 }
  const sockets = await Promise.all(others.map((person) => cluster.socket(person, slow)))
  const reasons: string[] = []
  for (const socket of sockets) socket.on('disconnect', (reason) => reasons.push(reason))
  const offline: string[] = []
  watching.on('userOffline', ({ userName }) => offline.push(userName))
  await stop(0)
  await expect.poll(() => reasons.length).toBeGreaterThan(0)
  expect(new Set(reasons)).toEqual(new Set(['transport close']))
  await Promise.all(sockets.map((socket) => reconnected(socket)))
  expect(offline).toEqual([])
})

it('does not wait for a frozen client: its WebSocket is destroyed', async () => {
  const [frozen] = people as [User, ...User[]]
  const socket = await cluster.socket(frozen, { gateway: 0, transports: ['websocket'], reconnection: false })
  const transport = socket.io.engine.transport as unknown as { ws: { pause(): void } }
  transport.ws.pause()
  await stop(0)
  expect(cluster.logs('gateway-1')).not.toContain('did not stop in time')
})

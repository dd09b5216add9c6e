import { direct, disconnected, next, redisClient, startCluster, user } from '@parley/testkit'
import { expect, it } from 'vitest'

it('a gateway that was frozen does not serve what arrived meanwhile: its clients have retried elsewhere', async () => {
  await using cluster = await startCluster({ gateways: 2 })
  const [ann, ben] = [user('Ann'), user('Ben')]
  const { id } = await direct(cluster, ann, ben)
  const watching = await cluster.socket(ben, { gateway: 1 })
  const online = next(watching, 'userOnline', ({ userId }) => userId === ann.id)
  const socket = await cluster.socket(ann, { gateway: 0, transports: ['websocket'], reconnection: false })
  await online
  const offline = next(watching, 'userOffline', ({ userId }) => userId === ann.id, { timeoutMs: 40_000 })
  // The shortest time to lose its lease: it freezes just before a renewal.
  await leaseOf(cluster.redisUrl, ann.id, 10_500)
  await cluster.gateways[0]?.kill('SIGSTOP')
  socket.emit('sendMessage', { conversationId: id, content: 'old', clientMessageId: 'old' })
  // Its lease has expired.
  await offline
  const gone = disconnected(socket)
  await cluster.gateways[0]?.kill('SIGCONT')
  await gone
  const again = await cluster.socket(ann, { gateway: 0 })
  const sent = await again.emitWithAck('sendMessage', { conversationId: id, content: 'new', clientMessageId: 'new' })
  expect(sent.data.seq).toBe(1)
})

/** Waits until the lease of a person's gateway has at most this many milliseconds left. */
async function leaseOf(redisUrl: string, userId: string, atMostMs: number): Promise<void> {
  const redis = await redisClient(redisUrl)
  try {
    const [connection = ''] = await redis.hkeys(`presence:user:${userId}`)
    const [epoch] = connection.split('.')
    const left = () => redis.pttl(`presence:lease:${epoch}`)
    await expect.poll(left, { timeout: 10_000, interval: 20 }).toSatisfy((ms) => ms > 0 && ms < atMostMs)
  } finally {
    redis.disconnect()
  }
}

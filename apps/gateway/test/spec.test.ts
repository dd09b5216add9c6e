import type { Message } from '@parley/protocol'
import { type Cluster, dataOf, direct, emit, next, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

describe('Messages Gateway', () => {
  it('should send and receive messages', async () => {
    const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
    const conversation = await direct(cluster, ahmed, fatima)
    const a = await cluster.socket(ahmed, { gateway: 0 })
    const f = await cluster.socket(fatima, { gateway: 1 })
    const received = [next(a, 'newMessage'), next(f, 'newMessage')]
    const ack = await emit<Message>(a, 'sendMessage', {
      conversationId: conversation.id,
      content: 'Hello!',
      type: 'TEXT',
    })
    const [own, others] = await Promise.all(received)
    expect(own).toEqual(dataOf({ status: 200, headers: new Headers(), body: ack }))
    expect(others).toEqual(own)
    expect(own).toMatchObject({ content: 'Hello!', seq: 1, sender: { fullName: 'Ahmed Hassan' }, readBy: [ahmed.id] })
  })
})

import { expect, it } from 'vitest'
import type { ComposeCluster } from '../src/compose-cluster.ts'
import { docker, until } from '../src/engine.ts'
import { session, startTalk, type Talk } from '../src/people.ts'
import { keepAsking, StockClients } from '../src/stock-clients.ts'

/** What users notice while parts of the cluster stop and start. */
export function outageCases(cluster: () => ComposeCluster): void {
  it('stores a file through the api and serves it from the object store', async () => {
    using talk = await startTalk(cluster().url, 2)
    const text = 'a report '.repeat(50_000)
    const file = new File([text], 'report.txt', { type: 'text/plain' })
    const sent = await talk.clients[0]?.sendFile(talk.conversationId, file)
    const answer = await fetch(sent?.attachments[0]?.url ?? '')
    expect(answer.status).toBe(200)
    expect(await answer.text()).toBe(text)
  })

  it('works without Redis: sockets stay, messages are stored, HTTP is served', { timeout: 240_000 }, async () => {
    using clients = new StockClients()
    using talk = await startTalk(cluster().url, 4)
    const token = await session(cluster().url, 'onlooker')
    for (const name of ['websocket', 'polling']) await clients.connect(cluster().url, token, [name])
    talk.begin()
    await spoken(talk, 10)
    const [redis] = await cluster().containers('redis')
    await docker('stop', '-t', '20', String(redis))
    try {
      await gatewaysUp(cluster(), 0)
      const asking = keepAsking(`${cluster().url}/api/messages/conversations`)
      await spoken(talk, talk.acked.length + 30)
      expect(await asking.end()).toEqual([401])
    } finally {
      await docker('start', String(redis))
    }
    await gatewaysUp(cluster(), 3)
    await cluster().healthy()
    await talk.fallSilent()
    await nothingLost(cluster(), talk)
    expect(clients.cut).toEqual([])
  })

  it('keeps polling clients at a gateway when only that gateway has lost its services', async () => {
    using clients = new StockClients()
    const token = await session(cluster().url, 'faithful')
    const sockets = await Promise.all(
      Array.from({ length: 12 }, () => clients.connect(cluster().url, token, ['polling'])),
    )
    const [gateway] = await cluster().containers('gateway')
    const services = [`${cluster().project}_back`, String(gateway)]
    await docker('network', 'disconnect', ...services)
    try {
      await gatewaysUp(cluster(), 2)
      // Success or failure does not matter: each answer is a separate request that has to find its session.
      const answers = sockets.map((socket) => socket.timeout(15_000).emitWithAck('getOnlineUsers', {}))
      await Promise.all(answers)
      expect(clients.cut).toEqual([])
    } finally {
      await docker('network', 'connect', ...services)
    }
    await gatewaysUp(cluster(), 3)
    expect(clients.cut).toEqual([])
  })

  it('loses no acknowledged message while gateways are killed, added, stopped and started, and the api with them', {
    timeout: 360_000,
  }, async () => {
    using talk = await startTalk(cluster().url, 6)
    talk.begin()
    await spoken(talk, 30)

    const [killed] = await cluster().containers('gateway')
    await docker('kill', String(killed))
    await spoken(talk, talk.acked.length + 30)

    await cluster().compose(['up', '-d', '--no-deps', '--no-recreate', '--scale', 'gateway=5', 'gateway'])
    await cluster().healthy({ gateway: 5 })
    await gatewaysUp(cluster(), 5)
    await eachGetsSome(cluster())

    for (const gateway of await cluster().containers('gateway')) {
      await docker('stop', '-t', '35', gateway)
      expect(await docker('inspect', gateway, '-f', '{{.State.ExitCode}}')).toBe('0')
      await docker('start', gateway)
      await until('the gateway', 60_000, async () =>
        (await docker('inspect', gateway, '-f', '{{.State.Health.Status}}')) === 'healthy' ? true : undefined,
      )
    }
    for (const pod of await cluster().containers('api')) {
      const asking = keepAsking(`${cluster().url}/api/messages/conversations`)
      await docker('restart', '-t', '35', pod)
      await cluster().healthy({ api: 2 })
      // 401 is an api pod's answer to a request without a token.
      expect(await asking.end()).toEqual([401])
    }
    await spoken(talk, talk.acked.length + 30)
    await talk.fallSilent()
    await nothingLost(cluster(), talk)
  })
}

/** Resolves when this many messages have been acknowledged. */
async function spoken(talk: Talk, count: number): Promise<void> {
  await until(`${count} messages`, 60_000, async () => (talk.acked.length >= count ? true : undefined))
}

/** Resolves when HAProxy has exactly this many gateways in service. */
async function gatewaysUp(cluster: ComposeCluster, count: number): Promise<void> {
  await until(`${count} gateways at HAProxy`, 60_000, async () =>
    (await cluster.connections('gateway')).size === count ? true : undefined,
  )
}

/** Resolves when every gateway has connections, without a reload. Because of slowstart, new gateways get few at first. */
async function eachGetsSome(cluster: ComposeCluster): Promise<void> {
  using clients = new StockClients()
  const token = await session(cluster.url, 'newcomer')
  await until('connections at each gateway', 60_000, async () => {
    await clients.connect(cluster.url, token, ['websocket'])
    return [...(await cluster.connections('gateway')).values()].every((held) => held > 0) ? true : undefined
  })
}

/** Asserts that every acknowledged message is stored and was delivered to everybody, once and in order. */
async function nothingLost(cluster: ComposeCluster, talk: Talk): Promise<void> {
  const acked = new Set(talk.acked.map(({ id }) => id))
  expect(acked.size).toBe(talk.acked.length)
  const seqs = talk.acked.map(({ seq }) => seq).sort((a, b) => a - b)
  for (const [index, messages] of talk.delivered.entries()) {
    const texts = messages.filter(({ type }) => type === 'TEXT')
    expect(
      texts.map(({ seq }) => seq),
      `to client ${index}`,
    ).toEqual(seqs)
  }
  const stored = new Set(await storedMessages(cluster, talk.conversationId))
  expect([...acked].filter((id) => !stored.has(id))).toEqual([])
}

/** Returns the ids of a conversation's messages, straight from the database. */
async function storedMessages(cluster: ComposeCluster, conversationId: string): Promise<string[]> {
  const [postgres] = await cluster.containers('postgres')
  const query = `select id from messages where conversation_id = '${conversationId}'`
  const psql = ['psql', '-h', '127.0.0.1', '-U', 'parley', '-d', 'parley', '-Atc', query]
  return (await docker('exec', '-e', 'PGPASSWORD=parley', String(postgres), ...psql)).split('\n')
}

import type { Conversation, User } from '@parley/protocol'
import { type Cluster, dataOf, direct, ownPostgres, standbyOf, startCluster, tcpProxy, user } from '@parley/testkit'
import { expect, it } from 'vitest'
import { clientOf, until } from './setting.ts'

const log = (line: string) => console.log(line)

/** docs/OPERATIONS.md, "Backups": all processes are stopped, the database is put back, Redis is emptied, all are started. */
it('after a restore from a backup, clients that knew more show what it holds and continue from there', async () => {
  const [ahmed, fatima] = [user('Ahmed'), user('Fatima')]
  await using primary = await ownPostgres(log)
  await using backup = await standbyOf(primary, log)
  let cluster = await startCluster({ services: { database: primary } })
  await using running = { [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() }
  await using front = await tcpProxy(addressOf(cluster.url))
  const conversation = await direct(cluster, ahmed, fatima)
  await send(cluster, ahmed, conversation, 'in the backup')
  await backup.caughtUp()
  await backup.crash()

  const url = `http://127.0.0.1:${front.port}`
  using reading = clientOf(cluster, fatima, { url, getToken: () => cluster.token(fatima) })
  using writing = clientOf(cluster, ahmed, { url, getToken: () => cluster.token(ahmed) })
  for (const { client } of [reading, writing]) client.connect()
  await Promise.all([reading.client.whenLive(), writing.client.whenLive()])
  const shown = await reading.client.open(conversation.id)
  for (const content of ['lost', 'lost, too']) await writing.client.send(conversation.id, content)
  await until(shown, ({ messages }) => messages.length === 3)

  // They would reconnect by themselves, but after up to half a minute by then.
  for (const { client } of [reading, writing]) client.disconnect()
  await running[Symbol.asyncDispose]()
  await primary.crash()
  await backup.start()
  await backup.promote()
  cluster = await startCluster({ services: { database: backup } })
  front.redirect(addressOf(cluster.url))
  for (const { client } of [reading, writing]) client.connect()

  const back = await until(shown, ({ messages }) => messages.length === 1)
  expect(back.messages.map(({ content }) => content)).toEqual(['in the backup'])
  await Promise.all([reading.client.whenLive(), writing.client.whenLive()])
  const { seq } = await writing.client.send(conversation.id, 'after it')
  expect(seq).toBe(2)
  const { messages } = await until(shown, ({ messages }) => messages.length === 2)
  expect(messages.map(({ content, seq }) => [seq, content])).toEqual([
    [1, 'in the backup'],
    [2, 'after it'],
  ])
  // Nothing from the backup is delivered twice.
  expect(reading.delivered.map(({ content }) => content)).toEqual(['lost', 'lost, too', 'after it'])
})

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

async function send(cluster: Cluster, who: User, { id }: Conversation, content: string): Promise<void> {
  dataOf(await cluster.api(who).post(`/api/messages/conversations/${id}/messages`, { content }))
}

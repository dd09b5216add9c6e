import type { Conversation, Message } from '@parley/protocol'
import { dataOf, group, next, ownPostgres, standbyOf, startCluster, tcpProxy, user } from '@parley/testkit'
import { expect, it } from 'vitest'
import { liveClient, type TestClient, until, untilDelivered } from './setting.ts'

const log = (line: string) => console.log(line)
const contents = (messages: readonly Message[]) => messages.map(({ content }) => content)

/** docs/OPERATIONS.md, "Restoring": an asynchronous standby that has not got everything takes the primary's place. */
it('a failover loses the last messages, and no client one of those that take their place, stay or away', async () => {
  const [ahmed, fatima, omar] = [user('Ahmed'), user('Fatima'), user('Omar')]
  await using primary = await ownPostgres(log)
  await using standby = await standbyOf(primary, log)
  await using address = await tcpProxy(addressOf(primary.url))
  await using cluster = await startCluster({
    services: { database: primary },
    databaseUrl: (real) => address.rewrite(real),
  })
  const send = async ({ id }: Conversation, content: string): Promise<Message> =>
    dataOf(await cluster.api(ahmed).post<Message>(`/api/messages/conversations/${id}/messages`, { content }))

  const busy = await group(cluster, ahmed, [fatima, omar], 'Busy')
  const calm = await group(cluster, ahmed, [fatima, omar], 'Calm')
  await send(busy, 'kept')
  await send(calm, 'kept')
  using staying = await liveClient(cluster, fatima)
  using away = await liveClient(cluster, omar)
  const stock = await cluster.socket(ahmed, { gateway: 0 })
  const shown = await staying.client.open(busy.id)
  await standby.caughtUp()
  await standby.crash()

  const lostGroup = await group(cluster, ahmed, [fatima, omar], 'Lost')
  for (const content of ['lost', 'lost, too', 'and this']) await send(busy, content)
  await send(calm, 'lost here')
  for (const each of [staying, away]) {
    await untilDelivered(each, ({ length }) => length === 4)
    await until(each.client.conversations, ({ length }) => length === 3)
  }
  away.client.disconnect()
  const joined: string[] = []
  for (const { client } of [staying, away]) client.on('joined', ({ name }) => joined.push(String(name)))

  const asked = next(stock, 'resync', () => true, { timeoutMs: 30_000 })
  await primary.crash()
  await standby.start()
  await standby.promote()
  address.redirect(addressOf(standby.url))
  const answer = async () => (await cluster.api(ahmed).get(`/api/messages/conversations/${busy.id}`)).status
  await expect.poll(answer, { timeout: 10_000 }).toBe(200)
  // As many as were lost, and one more, whether or not the gateways have noticed by then.
  for (const content of ['2nd', '3rd', '4th', '5th']) await send(busy, content)
  await asked

  const stored = ['kept', '2nd', '3rd', '4th', '5th']
  await until(shown, ({ messages }) => messages.length === 5 && messages[1]?.content === '2nd', 30_000)
  expect(contents(shown.getSnapshot().messages)).toEqual(stored)
  away.client.connect()
  for (const each of [staying, away]) {
    await untilDelivered(each, (delivered) => delivered.length >= 8, 30_000)
    await each.client.whenLive()
  }
  const behind = await away.client.open(busy.id)
  expect(contents(behind.getSnapshot().messages)).toEqual(stored)

  // What takes the place of a lost message now reaches those who were connected all the while, stock clients too.
  const heard = next(stock, 'newMessage', ({ content }) => content === 'here')
  expect((await send(calm, 'here')).seq).toBe(2)
  await heard
  const all = ['and this', 'lost', 'lost, too', 'lost here', ...stored.slice(1), 'here'].sort()
  for (const each of [staying, away]) {
    await untilDelivered(each, (delivered) => contents(delivered).includes('here'))
    expect(contents(each.delivered).sort()).toEqual(all)
    await expectSameAs(each, [busy, calm], ['5th', 'here'])
  }
  // Nothing is new but messages.
  expect(joined).toEqual([])
  expect(staying.client.conversation(lostGroup.id)).toBeUndefined()
})

/** Shows these conversations alone, with these newest messages, and their counts. */
async function expectSameAs({ client }: TestClient, conversations: Conversation[], newest: string[]): Promise<void> {
  const shown = client.conversations.getSnapshot()
  expect(shown.map(({ id }) => id).sort()).toEqual(conversations.map(({ id }) => id).sort())
  const last = await Promise.all(shown.map(({ id }) => client.fetchConversation(id)))
  expect(shown.map(countsOf)).toEqual(last.map(countsOf))
  expect(contents(shown.flatMap(({ lastMessage }) => lastMessage ?? [])).sort()).toEqual([...newest].sort())
}

/** All but who is online. */
function countsOf({ participants, updatedAt: _, ...counts }: Conversation) {
  return { ...counts, people: participants.map(({ id, role, lastReadSeq }) => [id, role, lastReadSeq]) }
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

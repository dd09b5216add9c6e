import type { Conversation, Message, SyncAnswer, User } from '@parley/protocol'
import { type Cluster, dataOf, startCluster, user, vapidSettings } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NOWHERE } from './bad-cases.ts'
import { problemsOf } from './contract.ts'
import { CONVERSATIONS, device, makeWorld, type World } from './examples.ts'
import { appWithoutServices, routesOfTheApp } from './routes-of-the-app.ts'

/*
 * Somebody who is not in a conversation tries every route of the app, and learns and changes nothing. A route missing from the
 * table fails the test.
 */

const mallory: User = user('Mallory')
let cluster: Cluster
let world: World
let before: unknown
beforeAll(async () => {
  cluster = await startCluster({ gateways: 0, env: vapidSettings() })
  world = await makeWorld(cluster)
  await cluster.register(mallory)
  before = await whatTheySee()
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

interface Reply {
  status: number
  text: string
  code: string | undefined
  data: unknown
}

async function asMallory(method: string, path: string, body?: unknown): Promise<Reply> {
  const answer = await fetch(cluster.url + path, {
    method,
    headers: {
      authorization: `Bearer ${cluster.token(mallory)}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    redirect: 'manual',
  })
  const json = JSON.parse(await answer.text())
  expect(problemsOf(method, path, answer.status, json)).toEqual([])
  // The only thing that differs between requests.
  if (json.error !== undefined) delete json.error.requestId
  const text = JSON.stringify(json)
  return { status: answer.status, text, code: json.error?.code, data: json.data }
}

/** Returns everything that a member sees of the two conversations, and everything of Ahmed’s own. */
async function whatTheySee() {
  const [ahmed, fatima] = [cluster.api(world.ahmed), cluster.api(world.fatima)]
  const conversations = await Promise.all(
    [world.pair, world.team].flatMap(({ id }) => [
      fatima.get<Conversation>(`${CONVERSATIONS}/${id}`),
      fatima.get<Message[]>(`${CONVERSATIONS}/${id}/messages`),
    ]),
  )
  const own = await Promise.all(
    ['/api/push/subscriptions', '/api/push/preferences', '/api/messages/mutes', '/api/users/me'].map((path) =>
      ahmed.get(path),
    ),
  )
  // File URLs are signed each time; everything else stays the same.
  return JSON.stringify([...conversations, ...own].map(dataOf)).replaceAll(/"url":"[^"]*"/g, '')
}

/** Asserts that the answer is exactly that of a conversation that does not exist. */
function noSuchConversation(method: string, rest: string, body?: unknown) {
  return async () => {
    for (const { id } of [world.pair, world.team]) {
      const path = (conversationId: string) =>
        `${CONVERSATIONS}/${conversationId}${rest}`
          .replace('{fatima}', world.fatima.id)
          .replace('{upload}', world.upload.id)
      const theirs = await asMallory(method, path(id), body)
      expect([theirs.status, theirs.code]).toEqual([404, 'CONVERSATION_NOT_FOUND'])
      expect((await asMallory(method, path(NOWHERE), body)).text).toBe(theirs.text)
    }
  }
}

async function refused(reply: Promise<Reply>, status: number, code: string) {
  expect(await reply).toMatchObject({ status, code })
}

/** Asserts that the answer contains nothing of theirs. */
async function nothingOfTheirs(reply: Promise<Reply>): Promise<unknown> {
  const { status, text, data } = await reply
  expect(status).toBeLessThan(300)
  const { pair, team, message, attachmentId, subscription } = world
  for (const theirs of [pair.id, team.id, message.id, message.content, attachmentId, subscription.endpoint]) {
    expect(text).not.toContain(theirs)
  }
  return data
}

const attempts: Record<string, () => Promise<unknown>> = {
  'GET /api/messages/conversations/:conversationId': noSuchConversation('GET', ''),
  'PATCH /api/messages/conversations/:conversationId': noSuchConversation('PATCH', '', { name: 'Mine now' }),
  'POST /api/messages/conversations/:conversationId/participants': noSuchConversation('POST', '/participants', {
    userIds: [mallory.id],
  }),
  'DELETE /api/messages/conversations/:conversationId/participants/:userId': noSuchConversation(
    'DELETE',
    '/participants/{fatima}',
  ),
  'GET /api/messages/conversations/:conversationId/messages': noSuchConversation('GET', '/messages?beforeSeq=100'),
  'POST /api/messages/conversations/:conversationId/messages': noSuchConversation('POST', '/messages', {
    content: 'x',
  }),
  'POST /api/messages/conversations/:conversationId/attachments': noSuchConversation('POST', '/attachments', {
    fileName: 'a.txt',
    fileSize: 1,
  }),
  'POST /api/messages/conversations/:conversationId/attachments/:attachmentId/complete': noSuchConversation(
    'POST',
    '/attachments/{upload}/complete',
  ),
  'DELETE /api/messages/conversations/:conversationId/attachments/:attachmentId': noSuchConversation(
    'DELETE',
    '/attachments/{upload}',
  ),
  'POST /api/messages/conversations/:conversationId/read': () =>
    noSuchConversation('POST', '/read', { messageId: world.message.id })(),
  'PUT /api/messages/conversations/:conversationId/mute': noSuchConversation('PUT', '/mute', { until: null }),
  'POST /api/messages/conversations': async () => {
    const participantIds = [world.ahmed.id, world.fatima.id]
    await refused(asMallory('POST', CONVERSATIONS, { type: 'DIRECT', participantIds }), 400, 'VALIDATION_FAILED')
    await nothingOfTheirs(asMallory('POST', CONVERSATIONS, { type: 'GROUP', participantIds, id: world.pair.id }))
  },
  'GET /api/messages/conversations': () => nothingOfTheirs(asMallory('GET', `${CONVERSATIONS}?search=Team&limit=100`)),
  'GET /api/messages/attachments/:attachmentId': async () => {
    const path = (id: string) => `/api/messages/attachments/${id}`
    const theirs = await asMallory('GET', path(world.attachmentId))
    expect([theirs.status, theirs.code]).toEqual([404, 'ATTACHMENT_NOT_FOUND'])
    expect((await asMallory('GET', path(NOWHERE))).text).toBe(theirs.text)
  },
  'GET /api/messages/unread': () => nothingOfTheirs(asMallory('GET', '/api/messages/unread')),
  'GET /api/messages/mutes': () => nothingOfTheirs(asMallory('GET', '/api/messages/mutes')),
  'GET /api/messages/search': async () => {
    expect(await nothingOfTheirs(asMallory('GET', '/api/messages/search?query=example'))).toEqual([])
    const path = (id: string) => `/api/messages/search?query=example&conversationId=${id}`
    const theirs = await asMallory('GET', path(world.pair.id))
    expect(theirs.text).toBe((await asMallory('GET', path(NOWHERE))).text)
    expect(theirs.text).not.toContain(world.message.content)
  },
  'POST /api/messages/sync': async () => {
    const conversations = { [world.pair.id]: 0, [world.team.id]: 0, [crypto.randomUUID()]: 0 }
    const { data } = await asMallory('POST', '/api/messages/sync', { conversations })
    const answer = data as SyncAnswer
    expect(answer.conversations.map(({ id }) => id)).not.toEqual(expect.arrayContaining([world.pair.id, world.team.id]))
    expect(answer.left.sort()).toEqual(Object.keys(conversations).sort())
  },
  'GET /api/users/me': async () => expect((await asMallory('GET', '/api/users/me')).data).toEqual(mallory),
  // People can find each other by name, and see a name and a picture, nothing else.
  'GET /api/users': async () => {
    const { data } = await asMallory('GET', '/api/users?search=Ahmed')
    for (const found of data as User[]) expect(Object.keys(found).sort()).toEqual(['fullName', 'id', 'profilePhoto'])
  },
  'PUT /api/users/:userId': () =>
    refused(asMallory('PUT', `/api/users/${world.ahmed.id}`, { fullName: 'Fool' }), 403, 'FORBIDDEN'),
  'POST /api/users': () =>
    refused(asMallory('POST', '/api/users', { users: [{ id: world.ahmed.id, fullName: 'Fool' }] }), 403, 'FORBIDDEN'),
  'POST /api/users/:userId/revoke-tokens': () =>
    refused(asMallory('POST', `/api/users/${world.ahmed.id}/revoke-tokens`), 403, 'FORBIDDEN'),
  'GET /api/push/public-key': () => nothingOfTheirs(asMallory('GET', '/api/push/public-key')),
  'GET /api/push/subscriptions': async () =>
    expect(await nothingOfTheirs(asMallory('GET', '/api/push/subscriptions'))).toEqual([]),
  // An endpoint belongs to whoever registers it last; it is a secret of the browser, so this uses one of her own.
  'POST /api/push/subscriptions': () => nothingOfTheirs(asMallory('POST', '/api/push/subscriptions', device())),
  'DELETE /api/push/subscriptions': () =>
    refused(
      asMallory('DELETE', '/api/push/subscriptions', { endpoint: world.subscription.endpoint }),
      404,
      'NOT_FOUND',
    ),
  'DELETE /api/push/subscriptions/:subscriptionId': () =>
    refused(asMallory('DELETE', `/api/push/subscriptions/${world.subscription.id}`), 404, 'NOT_FOUND'),
  'GET /api/push/preferences': () => nothingOfTheirs(asMallory('GET', '/api/push/preferences')),
  'PUT /api/push/preferences': () =>
    nothingOfTheirs(asMallory('PUT', '/api/push/preferences', { showContent: false, userId: world.ahmed.id })),
  // Gives tokens to anybody, for trying things out; does not exist in production.
  'GET /api/dev/session': () => notInProduction('GET'),
  'POST /api/dev/session': () => notInProduction('POST'),
}

async function notInProduction(method: 'GET' | 'POST') {
  const app = await appWithoutServices('production')
  const answer = await app.inject({ method, url: '/api/dev/session', payload: { user: world.ahmed.id } })
  await app.close()
  const { error } = answer.json<{ error: { code: string } }>()
  expect([answer.statusCode, error.code]).toEqual([404, 'NOT_FOUND'])
}

describe('somebody who is not a member', () => {
  it('has an attempt for every route of the app', async () => {
    const routes = (await routesOfTheApp()).map((route) => route.replace(/\/$/, ''))
    expect(Object.keys(attempts).sort()).toEqual([...new Set(routes)].sort())
  })

  it.each(Object.keys(attempts))('%s', async (route) => {
    await attempts[route]?.()
  })

  it('has changed nothing', async () => {
    expect(await whatTheySee()).toBe(before)
  })

  it('cannot act for others: x-act-as is for services', async () => {
    const headers = { authorization: `Bearer ${cluster.token(mallory)}`, 'x-act-as': world.ahmed.id }
    const answer = await fetch(`${cluster.url}${CONVERSATIONS}`, { headers })
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('FORBIDDEN')])
    const claims = { role: ['service'], 'x-act-as': world.ahmed.id }
    const forged = { ...headers, authorization: `Bearer ${cluster.token(mallory, claims)}` }
    expect((await fetch(`${cluster.url}${CONVERSATIONS}`, { headers: forged })).status).toBe(403)
  })
})

it('a removed member is told that there is no such conversation', async () => {
  const path = `${CONVERSATIONS}/${world.team.id}`
  dataOf(await cluster.api(world.ahmed).delete(`${path}/participants/${world.fatima.id}`))
  const answer = await cluster.api(world.fatima).get(`${path}/messages`)
  expect(answer.status).toBe(404)
})

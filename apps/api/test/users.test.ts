import { findUsers, openDatabase, touchLastSeen } from '@parley/db'
import { type Claims, People } from '@parley/messaging'
import { type Conversation, LIMITS, type Message, type User } from '@parley/protocol'
import {
  type Api,
  apiClient,
  type Cluster,
  dataOf,
  errorOf,
  group,
  type HttpAnswer,
  type Reply,
  startCluster,
  user,
} from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { appWithoutServices } from './routes-of-the-app.ts'

const CONVERSATIONS = '/api/messages/conversations'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 0 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const now = () => Math.floor(Date.now() / 1_000)
const me = async (api: Api) => dataOf(await api.get<User>('/api/users/me'))
const withClaims = (who: User | string, claims: Record<string, unknown>) =>
  apiClient(cluster.url, cluster.token(who, claims))

/** Sends a service’s request on behalf of a person. */
async function actingFor<T>(userId: string, method: string, path: string, body?: unknown): Promise<HttpAnswer<T>> {
  const answer = await fetch(cluster.url + path, {
    method,
    headers: {
      authorization: `Bearer ${cluster.token('backend', { role: 'service' })}`,
      'x-act-as': userId,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Reply<T> }
}

describe('people are created by their token', () => {
  it('from its claims, in either spelling', async () => {
    const photo = 'https://example.com/photo.jpg'
    const sara = user('Sara Ali', photo)
    expect(await me(cluster.api(sara))).toEqual(sara)
    const id = crypto.randomUUID()
    expect(await me(withClaims(id, { name: 'By name', picture: photo }))).toEqual({
      id,
      fullName: 'By name',
      profilePhoto: photo,
    })
    const bare = crypto.randomUUID()
    expect(await me(cluster.api(bare))).toEqual({ id: bare, fullName: bare, profilePhoto: null })
  })

  it('a newer token changes the name, an older one does not change it back', async () => {
    const omar = user('Omar')
    const at = (iat: number, fullName?: string) => me(withClaims(omar.id, { iat, fullName }))
    expect(await at(now() - 100, 'Omar K.')).toMatchObject({ fullName: 'Omar K.' })
    expect(await at(now() - 50, 'Omar Khan')).toMatchObject({ fullName: 'Omar Khan' })
    expect(await at(now() - 90, 'Omar K.')).toMatchObject({ fullName: 'Omar Khan' })
    // A token without a name changes nothing.
    expect(await at(now() - 10)).toMatchObject({ fullName: 'Omar Khan' })
  })

  it('invalid claims are ignored', async () => {
    const id = crypto.randomUUID()
    const claims = { fullName: 'a\0b', name: 'Usable', profilePhoto: 'javascript:alert(1)', picture: 7 }
    expect(await me(withClaims(id, claims))).toEqual({ id, fullName: 'Usable', profilePhoto: null })
  })

  it('a token with times in milliseconds counts as one without iat, and affects nobody else', async () => {
    const others = Array.from({ length: 20 }, () => user())
    const [millis, ...seen] = await Promise.all([
      me(withClaims(user('In Milliseconds'), { iat: Date.now() })),
      ...others.map((other) => me(cluster.api(other))),
    ])
    expect(millis).toMatchObject({ fullName: 'In Milliseconds' })
    expect(seen).toEqual(others)
  })

  it('the same person in twenty simultaneous requests is created once', async () => {
    const many = user('Many At Once')
    const answers = await Promise.all(Array.from({ length: 20 }, () => me(cluster.api(many))))
    expect(answers).toEqual(answers.map(() => many))
  })

  it('of two simultaneous tokens the newer counts; changes by other processes show within a minute', async () => {
    const db = openDatabase({ url: cluster.databaseUrl, max: 2, applicationName: 'test' })
    // Gets no notices of changes by others.
    const seen = new People(db)
    const { id: userId } = user()
    const claims = (fullName: string, second: number): Claims => {
      return { userId, fullName, profilePhoto: null, issuedAt: new Date(second * 1_000) }
    }
    const both = await Promise.all([seen.see(claims('Newer', 200)), seen.see(claims('Older', 100))])
    expect(both.map(({ fullName }) => fullName)).toEqual(['Newer', 'Newer'])
    const start = Date.now()
    await seen.see(claims('Newer', 200), start)
    dataOf(await cluster.service().put(`/api/users/${userId}`, { fullName: 'Newest' }))
    expect((await seen.see(claims('Newer', 200), start + 59_999)).fullName).toBe('Newer')
    expect((await seen.see(claims('Newer', 200), start + 60_000)).fullName).toBe('Newest')
    // A notice also counts for a person who is just being looked up.
    const looking = seen.see(claims('Newer', 201), start)
    seen.forget([userId])
    expect((await looking).fullName).toBe('Newest')
    dataOf(await cluster.service().put(`/api/users/${userId}`, { fullName: 'Newest of all' }))
    expect((await seen.see(claims('Newer', 201), start)).fullName).toBe('Newest of all')
    // Of two processes that report when somebody was last seen, the later time counts.
    for (const second of [200, 100]) await touchLastSeen(db, userId, new Date(second * 1_000))
    expect(await findUsers(db.pool, [userId])).toMatchObject([{ last_seen_at: '1970-01-01T00:03:20.000000Z' }])
    await db.close()
  })
})

describe('a service', () => {
  it('writes one person and many, whose new names are used from then on', async () => {
    const [first, second] = [user('First'), user('Second', 'https://example.com/2.jpg')]
    const service = cluster.service()
    const { id, ...profile } = first
    expect(await service.put(`/api/users/${id}`, profile)).toMatchObject({ status: 200, body: { data: first } })
    const both = [{ ...first, fullName: 'First again' }, second]
    expect(await service.post('/api/users', { users: both })).toMatchObject({ status: 200, body: { data: both } })
    // Twice in one request: the last entry with the same id counts.
    const twice = await service.post('/api/users', { users: [second, { ...second, fullName: 'Last' }] })
    expect(dataOf(twice)).toEqual([{ ...second, fullName: 'Last' }])
    // An omitted photo stays; null removes it.
    expect(dataOf(await service.put(`/api/users/${second.id}`, { fullName: 'Kept' }))).toMatchObject({
      profilePhoto: second.profilePhoto,
    })
    expect(
      dataOf(await service.put(`/api/users/${second.id}`, { fullName: 'Gone', profilePhoto: null })),
    ).toMatchObject({ profilePhoto: null })
  })

  it('has the last word until there is a newer token, even if the clock of the token issuer is ahead', async () => {
    const { id } = user()
    const token = (iat: number) => me(withClaims(id, { iat, fullName: 'By token' }))
    const ahead = now() + 30
    expect(await token(ahead)).toMatchObject({ fullName: 'By token' })
    for (const fullName of ['By server', 'By server again']) {
      const [body, saved] = [{ fullName }, { id, fullName, profilePhoto: null }]
      expect(dataOf(await cluster.service().put(`/api/users/${id}`, body))).toEqual(saved)
      expect(await token(ahead)).toEqual(saved)
    }
    expect(await token(ahead + 1)).toMatchObject({ fullName: 'By token' })
  })

  it('has the last word on somebody whose first token creates them at that moment', async () => {
    const { id } = user()
    const first = await cluster.sql.connect()
    await first.query('begin')
    await first.query('insert into users (id, full_name, name_key) values ($1, $1, $1)', [id])
    const put = cluster.service().put(`/api/users/${id}`, { fullName: 'By server' })
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    await expect.poll(async () => (await first.query(waiting)).rowCount).toBe(1)
    await first.query('commit')
    first.release()
    expect(dataOf(await put)).toMatchObject({ fullName: 'By server' })
  })

  it('accepts ids with spaces, slashes and letters of any script', async () => {
    const id = `team/ädmin 1 حسن ${'x'.repeat(111)}`
    expect(id).toHaveLength(LIMITS.userIdLength)
    const written = await cluster.service().put(`/api/users/${encodeURIComponent(id)}`, { fullName: 'Odd' })
    expect(dataOf(written)).toEqual({ id, fullName: 'Odd', profilePhoto: null })
    expect(await me(cluster.api(id))).toMatchObject({ id })
    // Headers are ASCII, so ids are percent-encoded there.
    expect(dataOf(await actingFor(encodeURIComponent(id), 'GET', '/api/users/me'))).toMatchObject({ id })
    const broken = errorOf(await actingFor('100%', 'GET', '/api/users/me'))
    expect(broken).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'x-act-as' }] })
  })

  it('a request with an invalid person is refused as a whole', async () => {
    const good = user('Good')
    const service = cluster.service()
    for (const bad of [
      {},
      { fullName: '' },
      { fullName: 'x'.repeat(201) },
      { fullName: 'x', profilePhoto: 'javascript:alert(1)' },
      { fullName: 1 },
    ]) {
      const one = await service.put(`/api/users/${good.id}`, bad)
      expect([one.status, errorOf(one).code]).toEqual([400, 'VALIDATION_FAILED'])
      const many = await service.post('/api/users', { users: [good, { id: crypto.randomUUID(), ...bad }] })
      expect([many.status, errorOf(many).code]).toEqual([400, 'VALIDATION_FAILED'])
    }
    // No token could have this id.
    const around = await service.put(`/api/users/${encodeURIComponent(` ${good.id}`)}`, { fullName: 'Around' })
    expect(errorOf(around)).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'userId' }] })
    const none = await cluster.api(user('Asker')).post(CONVERSATIONS, { participantIds: [good.id] })
    expect(errorOf(none).code).toBe('UNKNOWN_USERS')
  })

  it('acts for a named person, with that person’s rights', async () => {
    const [ahmed, fatima, stranger] = [user('Ahmed'), user('Fatima'), user('Stranger')]
    await cluster.register(ahmed, fatima, stranger)
    const created = await actingFor<Conversation>(ahmed.id, 'POST', CONVERSATIONS, { participantIds: [fatima.id] })
    expect(created.status).toBe(201)
    const { id } = dataOf(created)
    const sent = await actingFor<Message>(ahmed.id, 'POST', `${CONVERSATIONS}/${id}/messages`, {
      content: 'Your order is on its way',
    })
    expect(dataOf(sent)).toMatchObject({ senderId: ahmed.id, sender: ahmed })
    const refused = await actingFor(stranger.id, 'GET', `${CONVERSATIONS}/${id}`)
    expect([refused.status, errorOf(refused).code]).toEqual([404, 'CONVERSATION_NOT_FOUND'])
    expect(await me(cluster.api(ahmed))).toEqual(ahmed)
  })

  it('changes a group in somebody’s name without marking anything as read', async () => {
    const [owner, ahmed] = [user('Owner'), user('Ahmed')]
    const { id } = await group(cluster, owner, [ahmed], 'Before')
    const path = `${CONVERSATIONS}/${id}`
    await cluster.api(owner).post(`${path}/messages`, { content: 'Have you seen this?' })
    const renamed = dataOf(await actingFor<Conversation>(ahmed.id, 'PATCH', path, { name: 'After' }))
    const unseen = { lastSeq: 2, lastReadSeq: 0, unreadCount: 2 }
    expect(renamed).toMatchObject({ name: 'After', ...unseen })
    const seen = dataOf(await cluster.api(ahmed).get<Conversation>(path))
    expect(seen).toMatchObject(unseen)
    expect(seen.lastMessage).toMatchObject({ system: { event: 'renamed', name: 'After', byService: true } })
    expect(seen.lastMessage).toMatchObject({ content: 'Ahmed renamed the group to After', sender: ahmed })
    // Somebody who acts themself has read it.
    const own = dataOf(await cluster.api(ahmed).patch<Conversation>(path, { name: 'Own' }))
    expect(own).toMatchObject({ lastSeq: 3, lastReadSeq: 3, unreadCount: 0 })
    expect(own.lastMessage?.system).toEqual({ event: 'renamed', name: 'Own' })
  })

  it('must name an existing person', async () => {
    const unknown = await actingFor('nobody', 'GET', CONVERSATIONS)
    expect([unknown.status, errorOf(unknown).code]).toEqual([404, 'USER_NOT_FOUND'])
    const tooLong = await actingFor('x'.repeat(129), 'GET', CONVERSATIONS)
    expect([tooLong.status, errorOf(tooLong).code]).toEqual([400, 'VALIDATION_FAILED'])
    for (const path of [CONVERSATIONS, '/api/users/me', '/api/users', '/api/messages/unread']) {
      const nobody = await cluster.service().get(path)
      expect([path, nobody.status, errorOf(nobody).code]).toEqual([path, 403, 'FORBIDDEN'])
    }
  })

  it('has rights that nobody else has', async () => {
    const person = user('Person')
    for (const answer of [
      await cluster.api(person).put(`/api/users/${person.id}`, { fullName: 'Boss' }),
      await cluster.api(person).post('/api/users', { users: [person] }),
      await withClaims(person, { role: 'admin' }).post('/api/users', { users: [person] }),
      await withClaims(person, { role: ['service'] }).post('/api/users', { users: [person] }),
    ]) {
      expect([answer.status, errorOf(answer).code]).toEqual([403, 'FORBIDDEN'])
    }
  })
})

describe('searching for people', () => {
  it('finds parts of names, ignoring case and accents, sorted by name, in pages', async () => {
    const mark = crypto.randomUUID().slice(0, 8)
    const named = ['Zoë', 'Ángel', 'zed', 'Émile'].map((name) => user(`${name} ${mark}`))
    await cluster.register(...named)
    const search = async (query: string) => {
      const { body } = await cluster.api(user('Asker')).get<User[]>(`/api/users?${query}`)
      if (!body.success) throw new Error(body.message)
      return { names: body.data.map(({ fullName }) => fullName.replace(` ${mark}`, '')), meta: body.meta }
    }
    expect(await search(`search=${mark.toUpperCase()}`)).toEqual({
      names: ['Ángel', 'Émile', 'zed', 'Zoë'],
      meta: { page: 1, limit: 20, total: 4, totalPages: 1 },
    })
    expect(await search(`search=ZOE ${mark}`)).toMatchObject({ names: ['Zoë'] })
    expect(await search(`search=${mark}&limit=3&page=2`)).toEqual({
      names: ['Zoë'],
      meta: { page: 2, limit: 3, total: 4, totalPages: 2 },
    })
    expect(await search(`search=${mark}%25`)).toMatchObject({ names: [], meta: { total: 0, totalPages: 0 } })
    expect((await search('limit=1')).names).toHaveLength(1)
    // By their current names.
    const [zoe] = named
    dataOf(await cluster.service().put(`/api/users/${zoe?.id}`, { fullName: `Chloé ${mark}` }))
    expect(await search(`search=chloe ${mark}`)).toMatchObject({ names: ['Chloé'] })
    expect(await search(`search=zoe ${mark}`)).toMatchObject({ names: [] })
  })
})

describe('development sessions', () => {
  it('create a person and a valid token', async () => {
    const id = crypto.randomUUID()
    const session = await cluster
      .api(null)
      .post<{ token: string; user: User }>('/api/dev/session', { user: { id, fullName: 'Demo' } })
    expect(session.status).toBe(201)
    const { token, user: made } = dataOf(session)
    expect(made).toEqual({ id, fullName: 'Demo', profilePhoto: null })
    expect(await me(apiClient(cluster.url, token))).toEqual(made)
    const again = await cluster.api(null).post<{ user: User }>('/api/dev/session', { user: id })
    expect(dataOf(again).user).toEqual(made)
    const service = await apiClient(cluster.url, token).post('/api/users', { users: [made] })
    expect(errorOf(service).code).toBe('FORBIDDEN')
  })

  it('do not exist in production', async () => {
    for (const [environment, status] of [
      ['production', 404],
      ['development', 400],
    ] as const) {
      const app = await appWithoutServices(environment)
      const answer = await app.inject({ method: 'POST', url: '/api/dev/session', payload: {} })
      expect([environment, answer.statusCode]).toEqual([environment, status])
      await app.close()
    }
  })
})

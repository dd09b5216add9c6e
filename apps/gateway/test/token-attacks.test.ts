import { createHmac, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { apiClient, type Cluster, connect, emit, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/* Every kind of forged token against every entry point: HTTP, the handshake, and renewToken on an open socket. */

const JWT_ISSUER = 'https://id.example.com'
const JWT_AUDIENCE = 'chat'
const JWT_SECRET_PREVIOUS = randomBytes(32).toString('base64url')
const who = user('Ahmed Hassan')
const now = Math.floor(Date.now() / 1_000)
const good = { sub: who.id, iss: JWT_ISSUER, aud: JWT_AUDIENCE, iat: now, exp: now + 600 }

let cluster: Cluster
beforeAll(async () => {
  const env = { JWT_ISSUER, JWT_AUDIENCE, JWT_SECRET_PREVIOUS }
  cluster = await startCluster({ gateways: 1, workers: 0, env })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const encode = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')

function sign(
  claims: unknown,
  { header = { alg: 'HS256', typ: 'JWT' } as object, key = cluster.jwtSecret, hash = 'sha256' } = {},
) {
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${createHmac(hash, key).update(input).digest('base64url')}`
}

const unsigned = (alg: string) => `${encode({ alg, typ: 'JWT' })}.${encode(good)}.`

/** A token signed with its own key, which it contains. */
function selfMade() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' })
  return sign(good, {
    header: { alg: 'HS256', jwk, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' },
    key: JSON.stringify(jwk),
  })
}

const INVALID = 'TOKEN_INVALID'
const ATTACKS: [what: string, make: () => string, code: string][] = [
  ['alg none', () => unsigned('none'), INVALID],
  ['alg None', () => unsigned('None'), INVALID],
  ['alg none with a signature', () => sign(good, { header: { alg: 'none' } }), INVALID],
  ['no signature', () => unsigned('HS256'), INVALID],
  ['a wrong key', () => sign(good, { key: 'another-secret-of-more-than-32-characters' }), INVALID],
  ['an empty key', () => sign(good, { key: '' }), INVALID],
  ['a key that it brings along', selfMade, INVALID],
  ['another algorithm', () => sign(good, { header: { alg: 'HS512' }, hash: 'sha512' }), INVALID],
  [
    'claims changed after signing',
    () => sign(good).replace(/\.[^.]+\./, `.${encode({ ...good, sub: 'boss' })}.`),
    INVALID,
  ],
  ['a signature cut short', () => sign(good).slice(0, -4), INVALID],
  ['expired', () => sign({ ...good, exp: now - 60 }), 'TOKEN_EXPIRED'],
  [
    'expired, under the previous secret',
    () => sign({ ...good, exp: now - 60 }, { key: JWT_SECRET_PREVIOUS }),
    'TOKEN_EXPIRED',
  ],
  ['not valid yet', () => sign({ ...good, nbf: now + 600 }), INVALID],
  ['issued in the future', () => sign({ ...good, iat: now + 600 }), INVALID],
  ['a wrong issuer', () => sign({ ...good, iss: 'https://evil.example' }), INVALID],
  ['an issuer that begins alike', () => sign({ ...good, iss: `${JWT_ISSUER}.evil.example` }), INVALID],
  ['no issuer', () => sign({ ...good, iss: undefined }), INVALID],
  ['a wrong audience', () => sign({ ...good, aud: 'shop' }), INVALID],
  ['no audience', () => sign({ ...good, aud: undefined }), INVALID],
  ['no subject', () => sign({ ...good, sub: undefined }), INVALID],
  ['a subject with NUL', () => sign({ ...good, sub: 'a\0b' }), INVALID],
  ['claims under __proto__', () => sign(`{"__proto__":${JSON.stringify(good)}}`), INVALID],
  [
    'a header under __proto__',
    () => sign(good, { header: JSON.parse('{"__proto__":{"alg":"HS256"}}') as object }),
    INVALID,
  ],
  ['claims that are a list', () => sign([good]), INVALID],
]

describe.each(ATTACKS)('%s', (_what, make, code) => {
  it('is refused by HTTP, the handshake and renewToken', async () => {
    const token = make()
    const answer = await apiClient(cluster.url, token).get('/api/users/me')
    expect([answer.status, answer.body]).toMatchObject([401, { error: { code } }])
    await expect(
      connect(cluster.gateways[0]?.url ?? '', { auth: { token }, reconnection: false }),
    ).rejects.toMatchObject({ code })
    const socket = await connect(cluster.gateways[0]?.url ?? '', { auth: { token: sign(good) } })
    const renewed = await emit(socket, 'renewToken', { token })
    socket.disconnect()
    expect(renewed).toMatchObject({ success: false, error: { code } })
  })
})

it.each(['the secret', 'the previous secret'])('a valid token under %s is accepted by all three', async (which) => {
  const token = sign(good, which === 'the secret' ? {} : { key: JWT_SECRET_PREVIOUS })
  expect((await apiClient(cluster.url, token).get('/api/users/me')).status).toBe(200)
  const socket = await connect(cluster.gateways[0]?.url ?? '', { auth: { token } })
  expect(await emit(socket, 'renewToken', { token })).toMatchObject({ success: true })
  socket.disconnect()
})

it('a role that is not exactly "service" is not a service', async () => {
  for (const role of ['Service', ['service'], { role: 'service' }, true]) {
    const token = sign({ ...good, role })
    expect((await apiClient(cluster.url, token).put(`/api/users/${who.id}`, { fullName: 'X' })).status).toBe(403)
  }
})

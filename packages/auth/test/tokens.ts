import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSigner } from 'fast-jwt'
import type { TokenSettings } from '../src/index.ts'

export const secretSettings: TokenSettings = {
  NODE_ENV: 'test',
  JWT_SECRET: 'a-secret-for-tests-of-more-than-32-characters',
  JWT_JWKS_URL: undefined,
  JWT_ISSUER: undefined,
  JWT_AUDIENCE: undefined,
}

export const nowInSeconds = (): number => Math.floor(Date.now() / 1_000)

export function encode(part: unknown): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

/** Builds a token by hand, for headers and claims that no signer would produce. */
export function hmacToken(claims: unknown, options: { key?: string; header?: object } = {}): string {
  const input = `${encode(options.header ?? { alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  const key = options.key ?? secretSettings.JWT_SECRET ?? ''
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
}

export interface IssuerKey {
  kid: string
  algorithm: 'RS256' | 'ES256' | 'EdDSA'
  publicKey: KeyObject
  sign(claims: Record<string, unknown>, header?: { kid?: string }): string
}

export function issuerKey(kid: string, algorithm: IssuerKey['algorithm'], modulusLength = 2_048): IssuerKey {
  const { publicKey, privateKey } = keyPair(algorithm, modulusLength)
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return {
    kid,
    algorithm,
    publicKey,
    sign: (claims, header = { kid }) =>
      createSigner({ key, algorithm, ...(header.kid === undefined ? {} : { kid: header.kid }) })(claims),
  }
}

function keyPair(algorithm: IssuerKey['algorithm'], modulusLength: number) {
  if (algorithm === 'RS256') return generateKeyPairSync('rsa', { modulusLength })
  if (algorithm === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return generateKeyPairSync('ed25519')
}

/** Starts a server with a key set that can change, fail or hang. */
export async function startIssuer(...initial: IssuerKey[]) {
  const state = { keys: initial.map(toJwk), mode: 'serve' as 'serve' | 'fail' | 'hang', requests: 0 }
  const server = createServer((_request, response) => {
    state.requests += 1
    if (state.mode === 'hang') return
    response.writeHead(state.mode === 'fail' ? 500 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ keys: state.keys }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const settings: TokenSettings = {
    ...secretSettings,
    JWT_SECRET: undefined,
    JWT_JWKS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
  }
  return {
    settings,
    state,
    setKeys: (...keys: IssuerKey[]) => {
      state.keys = keys.map(toJwk)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function toJwk(key: IssuerKey): Record<string, unknown> {
  return { ...key.publicKey.export({ format: 'jwk' }), kid: key.kid, alg: key.algorithm, use: 'sig' }
}

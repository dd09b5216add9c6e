import { createECDH } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { loadSettings, pushEndpointPolicy, pushSettings, SettingsError, vapidKeysOf } from '../src/index.ts'

const subject = 'mailto:push@parley.example'

function pair(scalar?: Buffer) {
  const curve = createECDH('prime256v1')
  if (scalar === undefined) curve.generateKeys()
  else curve.setPrivateKey(scalar)
  const bytes = curve.getPrivateKey()
  const privateKey = Buffer.concat([Buffer.alloc(32 - bytes.length), bytes]).toString('base64url')
  return { publicKey: curve.getPublicKey('base64url'), privateKey }
}

function keysOf(VAPID_PUBLIC_KEY?: string, VAPID_PRIVATE_KEY?: string, VAPID_SUBJECT: string | undefined = subject) {
  return vapidKeysOf(loadSettings(pushSettings, { VAPID_PUBLIC_KEY, VAPID_PRIVATE_KEY, VAPID_SUBJECT }))
}

function variablesOf(work: () => unknown): readonly string[] {
  try {
    work()
  } catch (error) {
    if (error instanceof SettingsError) return error.variables
    throw error
  }
  throw new Error('the settings were accepted')
}

describe('the keys of web push', () => {
  const { publicKey, privateKey } = pair()

  it('are accepted as a pair, even if the private one starts with zeros', () => {
    expect(keysOf(publicKey, privateKey)).toEqual({ publicKey, privateKey, subject })
    const small = pair(Buffer.from('0102030405060708090a0b0c0d0e0f', 'hex'))
    expect(keysOf(small.publicKey, small.privateKey)).toEqual({ ...small, subject })
  })

  it('are null if neither is set', () => {
    expect(keysOf()).toBe(null)
  })

  it('are refused if one is missing', () => {
    expect(variablesOf(() => keysOf(publicKey))).toEqual(['VAPID_PRIVATE_KEY'])
    expect(variablesOf(() => keysOf(undefined, privateKey))).toEqual(['VAPID_PUBLIC_KEY'])
  })

  it('are refused if they do not match, or the private one is not a scalar of the curve', () => {
    expect(variablesOf(() => keysOf(pair().publicKey, privateKey))).toEqual(['VAPID_PRIVATE_KEY'])
    expect(variablesOf(() => keysOf(publicKey, 'A'.repeat(43)))).toEqual(['VAPID_PRIVATE_KEY'])
  })
})

it('the time to live of a push is at least a second', () => {
  expect(variablesOf(() => loadSettings(pushSettings, { PUSH_TTL_SECONDS: '0' }))).toEqual(['PUSH_TTL_SECONDS'])
})

it('endpoints on this machine are for tests: in production a process that would take them does not start', () => {
  const policyOf = (NODE_ENV: 'production' | 'test', PUSH_ALLOW_PRIVATE_ENDPOINTS: string) =>
    pushEndpointPolicy({ ...loadSettings(pushSettings, { PUSH_ALLOW_PRIVATE_ENDPOINTS }), NODE_ENV })
  expect(policyOf('test', 'true')).toEqual({ allowLoopback: true })
  expect(policyOf('production', 'false')).toEqual({ allowLoopback: false })
  expect(variablesOf(() => policyOf('production', 'true'))).toEqual(['PUSH_ALLOW_PRIVATE_ENDPOINTS'])
})

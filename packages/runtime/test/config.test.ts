import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  databaseSettings,
  defineSettings,
  describeDefault,
  environmentSettings,
  httpSettings,
  loadSettings,
  logSettings,
  redisSettings,
  SettingsError,
  s3Settings,
  setting,
  tokenSettings,
} from '../src/index.ts'

const all = defineSettings({
  ...environmentSettings,
  ...logSettings,
  ...databaseSettings,
  ...redisSettings,
  ...httpSettings,
  ...tokenSettings,
  ...s3Settings,
})

const production = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://app:a-database-password@db/app',
  REDIS_URL: 'rediss://:a-redis-password@redis:6380/0',
  JWT_SECRET: 'x'.repeat(32),
  S3_ACCESS_KEY_ID: 'key-id',
  S3_SECRET_ACCESS_KEY: 'k'.repeat(40),
}

function problemOf(env: Record<string, string | undefined>): SettingsError {
  try {
    loadSettings(all, env)
  } catch (error) {
    if (error instanceof SettingsError) return error
    throw error
  }
  throw new Error('the settings were accepted')
}

describe('a second secret for tokens', () => {
  it('requires the first one and has the same minimum length', () => {
    const secret = 'y'.repeat(32)
    expect(loadSettings(all, { ...production, JWT_SECRET_PREVIOUS: secret }).JWT_SECRET_PREVIOUS).toBe(secret)
    expect(problemOf({ ...production, JWT_SECRET_PREVIOUS: 'short' }).variables).toEqual(['JWT_SECRET_PREVIOUS'])
    // It is publicly known, whichever setting it is used for.
    const { JWT_SECRET } = loadSettings(tokenSettings, {})
    expect(problemOf({ ...production, JWT_SECRET_PREVIOUS: JWT_SECRET }).message).toBe(
      'JWT_SECRET_PREVIOUS has a development default: in production it should be a random text of 32 characters or more',
    )
    const keys = { ...production, JWT_SECRET: undefined, JWT_JWKS_URL: 'https://id.example.com/keys' }
    expect(problemOf({ ...keys, JWT_SECRET_PREVIOUS: secret }).message).toBe(
      'JWT_SECRET_PREVIOUS must not be set without JWT_SECRET',
    )
  })
})

describe('settings', () => {
  it('have defaults for everything in development, and listen on this machine only', () => {
    const settings = loadSettings(all, {})
    expect(settings).toMatchObject({ NODE_ENV: 'development', HOST: '127.0.0.1', PORT: 0, S3_FORCE_PATH_STYLE: true })
    expect(settings.JWT_SECRET?.length).toBeGreaterThanOrEqual(32)
    expect(settings.JWT_ISSUER).toBeUndefined()
  })

  it('are parsed to their types', () => {
    const settings = loadSettings(all, { ...production, PORT: '4000', S3_FORCE_PATH_STYLE: 'false' })
    expect(settings.PORT satisfies number).toBe(4000)
    expect(settings.S3_FORCE_PATH_STYLE satisfies boolean).toBe(false)
    expect(settings.HOST).toBe('0.0.0.0')
  })

  it('treat an empty variable as unset', () => {
    expect(loadSettings(all, { PORT: '', JWT_ISSUER: '' })).toMatchObject({ PORT: 0, JWT_ISSUER: undefined })
  })

  it.each(['70000', '-1', '4e3', '0x10', 'http', ' 80'])('refuse %j as a port', (PORT) => {
    expect(problemOf({ PORT }).message).toBe('PORT is wrong: it should be a port number from 0 to 65535')
  })

  it('name every invalid variable in one line without values', () => {
    const error = problemOf({ DATABASE_URL: 'mysql://root:hunter2@db/x', LOG_LEVEL: 'loud', JWT_JWKS_URL: 'file:///k' })
    expect(error.variables).toEqual(['LOG_LEVEL', 'DATABASE_URL', 'JWT_JWKS_URL'])
    expect(error.message).toContain('DATABASE_URL is wrong: it should be a postgres:// URL')
    expect(error.message).not.toMatch(/hunter2|loud|file:|\n/)
  })

  it('name a missing variable', () => {
    const needed = defineSettings({ THING: setting(z.string(), 'a thing', { expected: 'a thing’s name' }) })
    expect(() => loadSettings(needed, {})).toThrow('THING is missing: it should be a thing’s name')
  })
})

describe('settings in production', () => {
  it('have no defaults for databases and secrets', () => {
    expect(problemOf({ NODE_ENV: 'production' }).variables).toEqual([
      'DATABASE_URL',
      'REDIS_URL',
      'JWT_SECRET',
      'S3_ACCESS_KEY_ID',
      'S3_SECRET_ACCESS_KEY',
    ])
  })

  it('refuse the development secret', () => {
    const { JWT_SECRET } = loadSettings(all, {})
    const error = problemOf({ ...production, JWT_SECRET })
    expect(error.message).toMatch(/^JWT_SECRET has a development default/)
    expect(error.message).not.toContain(JWT_SECRET)
  })

  it('refuse the password of a development default in any address', () => {
    const DATABASE_URL = 'postgres://somebody:parley@db.example.com/chat'
    const error = problemOf({ ...production, DATABASE_URL })
    expect(error.message).toBe(
      'DATABASE_URL has the password of a development default: in production it should have one of its own',
    )
    expect(problemOf({ ...production, REDIS_URL: 'rediss://:parley@redis' }).variables).toEqual(['REDIS_URL'])
    expect(loadSettings(all, { DATABASE_URL }).DATABASE_URL).toBe(DATABASE_URL)
  })

  it('refuse a short secret', () => {
    expect(problemOf({ ...production, JWT_SECRET: 'y'.repeat(31) }).message).toBe(
      'JWT_SECRET is too short: in production it should have at least 32 characters',
    )
  })

  it('refuse a public key as a shared secret', () => {
    const JWT_SECRET = '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC'
    expect(problemOf({ ...production, JWT_SECRET }).variables).toEqual(['JWT_SECRET'])
  })

  it('accept a JWKS URL instead of the secret, but not both', () => {
    const { JWT_SECRET, ...rest } = production
    const JWT_JWKS_URL = 'https://id.example.com/jwks.json'
    expect(loadSettings(all, { ...rest, JWT_JWKS_URL })).toMatchObject({ JWT_JWKS_URL, JWT_SECRET: undefined })
    expect(problemOf({ ...rest, JWT_SECRET, JWT_JWKS_URL }).message).toBe(
      'JWT_SECRET must not be set together with JWT_JWKS_URL: set one of the two',
    )
  })
})

describe('the default of a setting, in words', () => {
  it('says what differs in production', () => {
    expect(describeDefault(all.HOST)).toBe('`127.0.0.1` outside production; in production `0.0.0.0`')
    expect(describeDefault(all.JWT_SECRET)).toMatch(/ outside production; in production required, or `JWT_JWKS_URL`$/)
    expect(describeDefault(all.DATABASE_URL)).toBe(
      '`postgres://parley:parley@127.0.0.1:5432/parley` outside production; in production required',
    )
  })
})

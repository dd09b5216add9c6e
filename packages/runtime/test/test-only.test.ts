import { expect, it } from 'vitest'
import { loadSettings, SettingsError, testOnlySettings } from '../src/index.ts'

it('allows test-only settings outside production only', () => {
  const load = (env: Record<string, string>) => loadSettings(testOnlySettings, env).PARLEY_TEST_ACK_BEFORE_COMMIT
  expect(load({ NODE_ENV: 'test', PARLEY_TEST_ACK_BEFORE_COMMIT: 'true' })).toBe(true)
  expect(load({ NODE_ENV: 'production' })).toBe(false)
  for (const value of ['true', 'false']) {
    const set = () => load({ NODE_ENV: 'production', PARLEY_TEST_ACK_BEFORE_COMMIT: value })
    expect(set).toThrow(SettingsError)
    expect(set).toThrow('for tests only')
  }
})

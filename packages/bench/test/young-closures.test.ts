import { setFlagsFromString } from 'node:v8'
import { Command } from 'ioredis'
import pg from 'pg'
import { expect, it } from 'vitest'

/*
 * V8 allocates a function literal assigned to a property (`this.reject = () => …`) in its old generation, as it assumes a
 * method. Everything that such a closure captures then survives every minor collection. infra/patches removes this pattern from
 * what each command and query creates, and a `delete` from commands that turned them into dictionary-mode objects;
 * docs/PERFORMANCE.md has the figures.
 */

setFlagsFromString('--allow-natives-syntax')
const isYoung = new Function('object', 'return %InYoungGeneration(object)') as (object: unknown) => boolean
const hasFastProperties = new Function('object', 'return %HasFastProperties(object)') as typeof isYoung

it('the check detects a closure in the old generation', () => {
  const made: { method?: () => object } = {}
  made.method = () => made
  expect(isYoung(made)).toBe(true)
  expect(isYoung(made.method)).toBe(false)
})

it('a Redis command has young closures', () => {
  const { resolve, reject } = new Command('get', ['a']) as unknown as Record<string, unknown>
  expect([resolve, reject].map(isYoung)).toEqual([true, true])
})

it('a Redis command that completes in time keeps fast properties', () => {
  const command = new Command('get', ['a']) as Command & { setTimeout(ms: number): void }
  command.setTimeout(60_000)
  command.resolve('b')
  expect(hasFastProperties(command)).toBe(true)
})

it('a Postgres query has young closures, with or without a timeout', () => {
  for (const settings of [{}, { query_timeout: 60_000 }]) {
    const client = new pg.Client(settings)
    void client.query('select 1').catch(() => undefined)
    const [query] = (client as unknown as { _queryQueue: { callback: unknown }[] })._queryQueue
    expect(isYoung(query?.callback)).toBe(true)
  }
})

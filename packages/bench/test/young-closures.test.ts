import { setFlagsFromString } from 'node:v8'
import { Command } from 'ioredis'
import pg from 'pg'
import { expect, it } from 'vitest'

/*
 * V8 makes a function that is written where it is assigned to a property (`this.reject = () => …`) in its old generation, as it
 * takes it for a method. All that such a closure captures then outlives every minor collection. infra/patches takes that out of
 * what each command and each query makes, and out of a command the `delete` that makes a dictionary of it; docs/PERFORMANCE.md has
 * the figures.
 */

setFlagsFromString('--allow-natives-syntax')
const isYoung = new Function('object', 'return %InYoungGeneration(object)') as (object: unknown) => boolean
const hasFastProperties = new Function('object', 'return %HasFastProperties(object)') as typeof isYoung

it('can tell a closure that is born old', () => {
  const made: { method?: () => object } = {}
  made.method = () => made
  expect(isYoung(made)).toBe(true)
  expect(isYoung(made.method)).toBe(false)
})

it('a command of Redis has young closures', () => {
  const { resolve, reject } = new Command('get', ['a']) as unknown as Record<string, unknown>
  expect([resolve, reject].map(isYoung)).toEqual([true, true])
})

it('a command of Redis that ends in time keeps its fast properties', () => {
  const command = new Command('get', ['a']) as Command & { setTimeout(ms: number): void }
  command.setTimeout(60_000)
  command.resolve('b')
  expect(hasFastProperties(command)).toBe(true)
})

it('a query of Postgres has young closures, whether it is given up after a time or not', () => {
  for (const settings of [{}, { query_timeout: 60_000 }]) {
    const client = new pg.Client(settings)
    void client.query('select 1').catch(() => undefined)
    const [query] = (client as unknown as { _queryQueue: { callback: unknown }[] })._queryQueue
    expect(isYoung(query?.callback)).toBe(true)
  }
})

import { expect, it } from 'vitest'
import { Presence } from '../src/presence.ts'

it('treats events received during a fetch of the list as newer than the list', async () => {
  const presence = new Presence(() => undefined)
  presence.set('ahmed', true)
  await presence.refresh(async () => {
    presence.set('fatima', true)
    presence.set('omar', false)
    return ['omar', 'zainab']
  })
  expect([...presence.online].sort()).toEqual(['fatima', 'zainab'])
  await presence.refresh(async () => ['ahmed'])
  expect([...presence.online]).toEqual(['ahmed'])
})

it('keeps its state when the list cannot be fetched', async () => {
  const presence = new Presence(() => undefined)
  presence.set('ahmed', true)
  await expect(presence.refresh(() => Promise.reject(new Error('no connection')))).rejects.toThrow('no connection')
  expect([...presence.online]).toEqual(['ahmed'])
})

it('ignores a list that arrives after one requested later', async () => {
  const presence = new Presence(() => undefined)
  const late = Promise.withResolvers<string[]>()
  const first = presence.refresh(() => late.promise)
  await presence.refresh(async () => ['ahmed'])
  late.resolve(['ahmed', 'omar'])
  await first
  expect([...presence.online]).toEqual(['ahmed'])
})

it('does not carry users over from an earlier list to a later one', async () => {
  const presence = new Presence(() => undefined)
  const [early, late] = [Promise.withResolvers<string[]>(), Promise.withResolvers<string[]>()]
  const lists = [presence.refresh(() => early.promise), presence.refresh(() => late.promise)]
  early.resolve(['ahmed', 'omar'])
  await lists[0]
  late.resolve(['ahmed'])
  await lists[1]
  expect([...presence.online]).toEqual(['ahmed'])
})

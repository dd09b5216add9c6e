import type { LookupAddress } from 'node:dns'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { guardedLookup } from '../src/index.ts'

type Answer = (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void

/** Lookups that the DNS has not answered. */
let asked: { name: string; answer: Answer }[] = []
vi.mock('node:dns', async (original) => ({
  ...(await original<typeof import('node:dns')>()),
  lookup: (name: string, _options: unknown, answer: Answer) => void asked.push({ name, answer }),
}))

beforeEach(() => {
  asked = []
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => void vi.useRealTimers())

const PUBLIC = [{ address: '8.8.4.4', family: 4 }]
const lookup = guardedLookup({ allowLoopback: false })
const addressOf = (name: string, through = lookup) =>
  new Promise((resolve, reject) =>
    through(name, { all: true }, (error, found) => (error ? reject(error) : resolve(found))),
  )

it('runs one lookup per name at a time, however many sockets wait for it or have given up', async () => {
  const waiting = Array.from({ length: 50 }, () => addressOf('slow.example'))
  expect(asked.map(({ name }) => name)).toEqual(['slow.example'])
  asked[0]?.answer(Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' }), [])
  for (const outcome of await Promise.allSettled(waiting)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'EAI_AGAIN' } })
  }
  void addressOf('slow.example').catch(() => undefined)
  expect(asked).toHaveLength(2)
})

it('uses the previous result for up to an hour while the DNS is busy with other names', async () => {
  const first = addressOf('push.example')
  asked[0]?.answer(null, PUBLIC)
  expect(await first).toEqual(PUBLIC)
  vi.advanceTimersByTime(29_000)
  expect(await addressOf('push.example')).toEqual(PUBLIC)
  expect(asked).toHaveLength(1)
  vi.advanceTimersByTime(1_000)
  expect(await addressOf('push.example')).toEqual(PUBLIC)
  expect(asked).toHaveLength(2)
  vi.advanceTimersByTime(3_570_000)
  const late = addressOf('push.example')
  const moved = [{ address: '1.1.1.1', family: 4 }]
  asked[1]?.answer(null, moved)
  expect(await late).toEqual(moved)
  expect(asked).toHaveLength(2)
})

it('drops a name that no longer exists, and never returns a forbidden address', async () => {
  const first = addressOf('gone.example')
  asked[0]?.answer(null, [...PUBLIC, { address: '10.1.2.3', family: 4 }])
  expect(await first).toEqual(PUBLIC)
  vi.advanceTimersByTime(30_000)
  expect(await addressOf('gone.example')).toEqual(PUBLIC)
  asked[1]?.answer(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), [])
  const gone = addressOf('gone.example')
  asked[2]?.answer(null, [{ address: '10.1.2.3', family: 4 }])
  await expect(gone).rejects.toMatchObject({ code: 'EADDRFORBIDDEN' })
})

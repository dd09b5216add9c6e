import { createServer } from 'node:http'
import { listenOnLoopback } from '@parley/testkit'
import { expect, it, onTestFinished, vi } from 'vitest'
import { bucketCheck } from '../src/bucket-check.ts'
import { SignedLinks } from '../src/links.ts'
import { ObjectStore } from '../src/objects.ts'
import { objectKey } from '../src/options.ts'
import { storageSettings } from './bed.ts'

const file = { id: 'f', fileName: 'a.txt', fileSize: 5, fileType: 'text/plain' }
const HOUR = 3_600_000

it('a URL works for at least three quarters of its lifetime and then expires', async () => {
  const settings = await storageSettings()
  const store = new ObjectStore(settings)
  await store.put(objectKey('c', 'f'), { pieces: [Buffer.from('hello')], size: 5 }, new AbortController().signal)
  const signedBefore = (ms: number) => new SignedLinks(settings, () => Date.now() - ms).urlOf('c', file)
  expect(await (await fetch(signedBefore(0))).text()).toBe('hello')
  expect((await fetch(signedBefore(0.74 * HOUR))).status).toBe(200)
  expect((await fetch(signedBefore(1.01 * HOUR))).status).toBe(403)
  store.close()
})

it('a URL is the same in every process for a quarter of its lifetime, so that browsers can cache the file', async () => {
  const settings = await storageSettings({ S3_PUBLIC_ENDPOINT: 'https://files.example' })
  let now = Date.parse('2026-03-01T10:00:00Z')
  const [one, other] = [new SignedLinks(settings, () => now), new SignedLinks(settings, () => now)]
  const first = one.urlOf('c', file)
  expect(first).toMatch(/^https:\/\/files\.example\//)
  now += 0.2 * HOUR
  expect([one.urlOf('c', file), other.urlOf('c', file)]).toEqual([first, first])
  now += 0.1 * HOUR
  expect(one.urlOf('c', file)).not.toBe(first)
})

it('a store that accepts requests and never answers is given up on after one attempt', async () => {
  let requests = 0
  const silent = createServer(() => requests++)
  const port = await listenOnLoopback(silent)
  const store = new ObjectStore({ ...(await storageSettings()), S3_ENDPOINT: `http://127.0.0.1:${port}` }, 1_000)
  const body = { pieces: [Buffer.from('a'), Buffer.from('b')], size: 2 }
  const { signal } = new AbortController()
  const requestsToMake = [() => store.put('k', body, signal), () => store.putPart('k', 'u', 1, body, signal)]
  for (const ask of requestsToMake) await expect(ask()).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  expect(requests).toBe(requestsToMake.length)
  store.close()
  silent.closeAllConnections()
  silent.close()
})

it('checks the bucket again after some seconds, even if the machine’s clock was set back', async () => {
  const settings = await storageSettings()
  const check = bucketCheck(settings)
  vi.useFakeTimers({ toFake: ['Date', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { signal } = new AbortController()
  expect(await check(signal)).toBe(true)
  const removed = await fetch(`${settings.S3_ENDPOINT}/${settings.S3_BUCKET}`, { method: 'DELETE' })
  expect(removed.status).toBe(204)
  vi.advanceTimersByTime(4_900)
  expect(await check(signal)).toBe(true)
  vi.advanceTimersByTime(200)
  vi.setSystemTime(Date.now() - 30_000)
  expect(await check(signal)).toBe('there is no such bucket')
})

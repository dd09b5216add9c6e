import { setImmediate as turn } from 'node:timers/promises'
import { ParleyError } from '@parley/protocol'
import { expect, it, vi } from 'vitest'
import type { Body, ObjectStore } from '../src/objects.ts'
import { type StreamUpload, uploadStream } from '../src/stream-upload.ts'

const MiB = 1024 ** 2

function storeOf(calls: { putPart?: unknown } = {}) {
  const store = {
    begin: vi.fn(async () => 'upload'),
    putPart: vi.fn(async (_key, _id, partNumber: number, { size }: Body) => ({ partNumber, etag: 'e', size })),
    complete: vi.fn(async () => true),
    ...calls,
  }
  return { ...store, asStore: store as unknown as ObjectStore }
}

/** Six mebibytes of one letter: a part, and one more byte at least. */
function fileOf(letter: string, more: Partial<StreamUpload> = {}): StreamUpload {
  return {
    key: letter,
    source: (async function* () {
      for (let piece = 0; piece < 6; piece++) yield Buffer.alloc(MiB, letter)
    })(),
    grown: () => undefined,
    begun: async () => undefined,
    signal: new AbortController().signal,
    ...more,
  }
}

it('sends nothing to an upload before it is noted who has to end it', async () => {
  const noted = Promise.withResolvers<void>()
  const begun = vi.fn(() => noted.promise)
  const store = storeOf()
  const size = uploadStream(store.asStore, fileOf('a', { begun }))
  await expect.poll(() => begun.mock.calls).toEqual([['upload']])
  await turn()
  expect(store.putPart).not.toHaveBeenCalled()
  noted.resolve()
  expect(await size).toBe(6 * MiB)
  expect(store.putPart).toHaveBeenCalledTimes(2)
})

it('never writes another file over the bytes of a request that failed and may still be sending them', async () => {
  const failing: Buffer[] = []
  const putPart = async (_key: string, _id: string, _number: number, { pieces }: Body) => {
    failing.push(...pieces)
    throw new ParleyError('STORAGE_UNAVAILABLE')
  }
  await expect(uploadStream(storeOf({ putPart }).asStore, fileOf('a'))).rejects.toThrow(ParleyError)
  await uploadStream(storeOf().asStore, fileOf('b'))
  const bytes = Buffer.concat(failing)
  expect([bytes.length, bytes.equals(Buffer.alloc(5 * MiB, 'a'))]).toEqual([5 * MiB, true])
})

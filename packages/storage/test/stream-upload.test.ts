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

/** Returns an upload of six mebibytes of one letter: more than one part. */
function fileOf(letter: string, more: Partial<StreamUpload> = {}): StreamUpload {
  return {
    key: letter,
    source: (async function* () {
      for (let piece = 0; piece < 6; piece++) yield Buffer.alloc(MiB, letter)
    })(),
    onSize: () => undefined,
    onBegin: async () => undefined,
    signal: new AbortController().signal,
    ...more,
  }
}

it('sends nothing to a multipart upload before its id is on record', async () => {
  const recorded = Promise.withResolvers<void>()
  const onBegin = vi.fn(() => recorded.promise)
  const store = storeOf()
  const size = uploadStream(store.asStore, fileOf('a', { onBegin }))
  await expect.poll(() => onBegin.mock.calls).toEqual([['upload']])
  await turn()
  expect(store.putPart).not.toHaveBeenCalled()
  recorded.resolve()
  expect(await size).toBe(6 * MiB)
  expect(store.putPart).toHaveBeenCalledTimes(2)
})

it('never overwrites the buffers of a failed request that may still be sending them', async () => {
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

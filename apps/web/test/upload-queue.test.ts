import {
  type ConnectionState,
  type Message,
  type ParleyClient,
  ParleyClientError,
  type SendFileOptions,
} from '@parley/client'
import { describe, expect, it, vi } from 'vitest'
import { UploadQueue } from '../src/uploads/upload-queue.ts'

interface Sent {
  file: File
  options: SendFileOptions
  done: () => void
  fail: (error: Error) => void
}

/** A client that sends files when the test says so. */
function standIn() {
  const sent: Sent[] = []
  let onState: (state: ConnectionState) => void = () => undefined
  const client = {
    sendFile: (_: string, file: File, options: SendFileOptions = {}) =>
      new Promise<Message>((resolve, reject) => {
        sent.push({ file, options, done: () => resolve({} as Message), fail: reject })
      }),
    on: (_: string, listener: (state: ConnectionState) => void) => {
      onState = listener
      return () => undefined
    },
  } as Pick<ParleyClient, 'sendFile' | 'on'>
  return { queue: new UploadQueue(client), sent, live: () => onState('live') }
}

const file = (name: string) => new File(['content'], name, { type: 'text/plain' })
const settled = () => new Promise((resolve) => setImmediate(resolve))
const shown = (queue: UploadQueue) => queue.of('c').map((upload) => `${upload.file.name} ${upload.status}`)

describe('files on their way', () => {
  it('are sent one after the other, the text with the first', async () => {
    const { queue, sent } = standIn()
    queue.add('c', [file('a'), file('b')], 'both')
    expect(shown(queue)).toEqual(['a sending', 'b waiting'])
    sent[0]?.done()
    await settled()
    expect(shown(queue)).toEqual(['b sending'])
    sent[1]?.done()
    await settled()
    expect(queue.of('c')).toEqual([])
    expect(sent.map(({ options }) => options.content)).toEqual(['both', ''])
  })

  it('of another conversation do not wait', () => {
    const { queue } = standIn()
    queue.add('c', [file('a')])
    queue.add('d', [file('b')])
    expect([queue.of('c'), queue.of('d')].map(([upload]) => upload?.status)).toEqual(['sending', 'sending'])
  })

  it('show their progress; the snapshot is the same until something changes', () => {
    const { queue, sent } = standIn()
    queue.add('c', [file('a')])
    const before = queue.of('c')
    expect(queue.of('c')).toBe(before)
    sent[0]?.options.onProgress?.({ sentBytes: 7, totalBytes: 7 })
    expect(queue.of('c')[0]).toMatchObject({ sentBytes: 7, totalBytes: 7 })
  })

  it('are retried under the same id if that can help, at once on reconnect; the others wait', async () => {
    const { queue, sent, live } = standIn()
    queue.add('c', [file('a'), file('b')])
    sent[0]?.fail(new ParleyClientError('NETWORK', 'gone'))
    await settled()
    expect(shown(queue)).toEqual(['a waiting', 'b waiting'])
    expect(queue.of('c').map(({ error }) => error)).toEqual([expect.stringContaining('cannot be reached'), null])
    live()
    expect(shown(queue)).toEqual(['a sending', 'b waiting'])
    expect(sent[1]?.options.clientMessageId).toBe(sent[0]?.options.clientMessageId)
    sent[1]?.fail(new ParleyClientError('FILE_TOO_LARGE', 'too large'))
    await settled()
    expect(shown(queue)).toEqual(['a failed', 'b sending'])
    expect(queue.of('c')[0]?.error).toBe('too large')
    queue.close()
  })

  it('are retried automatically after a pause', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const { queue, sent } = standIn()
      queue.add('c', [file('a')])
      for (const pause of [1_000, 2_000, 4_000]) {
        sent.at(-1)?.fail(new ParleyClientError('UNAVAILABLE', 'away'))
        await settled()
        vi.advanceTimersByTime(pause - 1)
        expect(shown(queue)).toEqual(['a waiting'])
        vi.advanceTimersByTime(1)
        expect(shown(queue)).toEqual(['a sending'])
      }
      queue.close()
    } finally {
      vi.useRealTimers()
    }
  })

  it('that cannot be read fail for good', async () => {
    const { queue, sent, live } = standIn()
    const folder = file('folder')
    folder.slice = () => ({ arrayBuffer: () => Promise.reject(new Error('NotReadableError')) }) as unknown as Blob
    queue.add('c', [folder])
    sent[0]?.fail(new ParleyClientError('NETWORK', 'Failed to fetch'))
    await settled()
    live()
    expect(queue.of('c')).toMatchObject([{ status: 'failed', error: 'The file cannot be read.' }])
  })

  it('can be cancelled; the next one is sent', async () => {
    const { queue, sent } = standIn()
    queue.add('c', [file('a'), file('b')])
    queue.cancel(queue.of('c')[0]?.id ?? '')
    expect(sent[0]?.options.signal?.aborted).toBe(true)
    sent[0]?.fail(new ParleyClientError('ABORTED', 'aborted'))
    await settled()
    expect(shown(queue)).toEqual(['b sending'])
    queue.close()
    expect(queue.of('c')).toEqual([])
  })
})

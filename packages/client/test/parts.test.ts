import type { Message } from '@parley/protocol'
import { describe, expect, it, vi } from 'vitest'
import { fullJitter } from '../src/backoff.ts'
import { Connection, type ConnectionState } from '../src/connection.ts'
import { Emitter } from '../src/emitter.ts'
import { ParleyClientError, toClientError } from '../src/errors.ts'
import { Http } from '../src/http.ts'
import { memoryStorage, type OutboxEntry, ParleyClient } from '../src/index.ts'
import { Outbox } from '../src/outbox.ts'
import { ReadMarks } from '../src/read-marks.ts'
import { Revisions } from '../src/revisions.ts'
import { Sequence } from '../src/sequence.ts'
import { LazyStore } from '../src/store.ts'
import { Timeline } from '../src/timeline.ts'
import { TokenSource } from '../src/token.ts'
import type { ClientEvents } from '../src/types.ts'
import { Typing } from '../src/typing.ts'
import { Uploads } from '../src/upload.ts'
import { whenLive } from '../src/when-live.ts'

function message(seq: number, change: Partial<Message> = {}): Message {
  const at = '2026-01-01T00:00:00.000000Z'
  const sender = { id: 'a', fullName: 'Ahmed', profilePhoto: null }
  const stored: Message = {
    id: `m${seq}`,
    conversationId: 'c',
    seq,
    rev: seq,
    senderId: 'a',
    sender,
    content: `message ${seq}`,
    type: 'TEXT',
    attachments: [],
    readBy: ['a'],
    clientMessageId: `c${seq}`,
    system: null,
    createdAt: at,
    updatedAt: at,
  }
  return { ...stored, ...change }
}
const seqs = (messages: readonly Message[]) => messages.map(({ seq }) => seq)

it('an emitter calls a listener that was added twice until both are removed', () => {
  const emitter = new Emitter<{ told: number }>()
  const heard: number[] = []
  const listener = (told: number) => heard.push(told)
  const [first, second] = [emitter.on('told', listener), emitter.on('told', listener)]
  first()
  emitter.emit('told', 1)
  second()
  emitter.emit('told', 2)
  expect(heard).toEqual([1])
})

it('an emitter calls all listeners in the same order of events, even if a listener causes the next event', () => {
  const emitter = new Emitter<{ told: number }>()
  const heard: number[] = []
  emitter.on('told', (told) => told === 1 && emitter.emit('told', 2))
  emitter.on('told', (told) => heard.push(told))
  emitter.emit('told', 1)
  expect(heard).toEqual([1, 2])
})

it('an emitter calls no listener that was removed meanwhile, one by one or all at once', () => {
  const emitter = new Emitter<{ told: number; over: number }>()
  const [taken, cleared] = [vi.fn(), vi.fn()]
  emitter.on('told', () => stop())
  const stop = emitter.on('told', taken)
  emitter.on('over', () => emitter.clear())
  emitter.on('over', cleared)
  emitter.emit('told', 1)
  emitter.emit('over', 1)
  expect(taken).not.toHaveBeenCalled()
  expect(cleared).not.toHaveBeenCalled()
})

describe('Sequence', () => {
  it('releases each message once and in order, whatever order they arrive in', () => {
    const sequence = new Sequence(2)
    expect(seqs(sequence.accept(message(5)))).toEqual([])
    expect(sequence.hasGap).toBe(true)
    expect(seqs(sequence.accept(message(3)))).toEqual([3])
    expect(seqs(sequence.accept(message(3)))).toEqual([])
    expect(seqs(sequence.accept(message(1)))).toEqual([])
    expect(seqs(sequence.accept(message(4)))).toEqual([4, 5])
    expect(sequence.hasGap).toBe(false)
  })

  it('continues after a skip, and holds back a bounded number of messages', () => {
    const sequence = new Sequence(0)
    for (let seq = 3; seq <= 5_000; seq++) sequence.accept(message(seq))
    sequence.skipTo(1)
    expect(sequence.accept(message(2)).length).toBe(2_001)
    expect(sequence.known).toBe(5_000)
  })
})

it('Sequence and Revisions keep nothing that was skipped or synced: thousands of entries later there is still room', () => {
  const sequence = new Sequence(0)
  const revisions = new Revisions(0)
  for (let seq = 2; seq <= 6_000; seq += 2) {
    sequence.accept(message(seq))
    sequence.skipTo(seq)
    revisions.saw(seq)
    revisions.synced(seq)
  }
  sequence.accept(message(6_002))
  expect(seqs(sequence.accept(message(6_001)))).toEqual([6_001, 6_002])
  for (const rev of [6_002, 6_001]) revisions.saw(rev)
  expect(revisions.upTo).toBe(6_002)
})

describe('Revisions', () => {
  it('tracks the highest rev without a hole before it', () => {
    let now = 0
    const revisions = new Revisions(1, () => now)
    revisions.saw(3)
    revisions.saw(4)
    expect([revisions.upTo, revisions.hasHole]).toEqual([1, true])
    revisions.saw(2)
    expect([revisions.upTo, revisions.hasHole]).toEqual([4, false])
    expect(revisions.holeSince).toBeUndefined()
    now = 5
    revisions.saw(7)
    now = 6
    revisions.saw(8)
    expect(revisions.holeSince).toBe(5)
    revisions.saw(5)
    expect(revisions.holeSince).toBe(6)
    revisions.synced(6)
    expect([revisions.upTo, revisions.hasHole]).toEqual([8, false])
  })
})

describe('Timeline', () => {
  it('includes what is delivered while its first page is loading', () => {
    const timeline = new Timeline(10, () => undefined)
    timeline.deliver(message(1))
    timeline.startLoading()
    timeline.deliver(message(4))
    timeline.deliver(message(5))
    timeline.reset([message(2), message(3), message(4)], true)
    expect(seqs(timeline.snapshot().messages)).toEqual([2, 3, 4, 5])
    expect(timeline.snapshot()).toMatchObject({ hasOlder: true, hasNewer: false, status: 'ready' })
  })

  it('records readers and keeps them when a message changes', () => {
    const timeline = new Timeline(10, () => undefined)
    timeline.reset([message(1), message(2), message(3)], false)
    timeline.mark('b', 0, 2)
    timeline.change(message(2, { rev: 9, content: 'changed' }))
    timeline.change(message(2, { rev: 8, content: 'late' }))
    const { messages } = timeline.snapshot()
    expect(messages.map(({ readBy }) => readBy)).toEqual([['a', 'b'], ['a', 'b'], ['a']])
    expect(messages[1]?.content).toBe('changed')
    // Refetched, for fresh attachment URLs.
    timeline.change(message(3, { content: 'the same' }))
    expect(timeline.snapshot().messages[2]?.content).toBe('the same')
  })

  it('holds each message once, even if a page overlaps', () => {
    const timeline = new Timeline(10, () => undefined)
    timeline.reset([message(5), message(6)], true)
    timeline.prepend([message(3), message(4), message(5)], true)
    timeline.append([message(6), message(7)], false)
    expect(seqs(timeline.snapshot().messages)).toEqual([3, 4, 5, 6, 7])
  })

  it('never has a gap: sets hasNewer instead', () => {
    const timeline = new Timeline(10, () => undefined)
    timeline.reset([message(1)], false)
    timeline.deliver(message(5))
    expect(seqs(timeline.snapshot().messages)).toEqual([1])
    expect(timeline.snapshot().hasNewer).toBe(true)
  })
})

it('typing is sent again after a while even if the clock of the device is set back', () => {
  vi.useFakeTimers()
  try {
    const tell = vi.fn()
    const typing = new Typing(tell)
    typing.start('c')
    vi.setSystemTime(Date.now() - 3_600_000)
    vi.advanceTimersByTime(2_000)
    typing.start('c')
    expect(tell).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(2_000)
    typing.start('c')
    expect(tell).toHaveBeenCalledTimes(2)
  } finally {
    vi.useRealTimers()
  }
})

it('typing of others expires locally if the event is lost', () => {
  vi.useFakeTimers()
  try {
    const typing = new Typing(() => undefined)
    const people = () => typing.in('c').getSnapshot().length
    for (let sign = 0; sign < 2; sign++) {
      typing.onTyping('c', { userId: 'b', userName: 'Fatima' })
      vi.advanceTimersByTime(6_900)
      expect(people()).toBe(1)
    }
    vi.advanceTimersByTime(100)
    expect(people()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

it('a read mark that the server cannot store now is sent again', async () => {
  vi.useFakeTimers()
  try {
    const send = vi.fn(async (_conversationId: string, _messageId: string) => undefined)
    send.mockRejectedValueOnce(new ParleyClientError('UNAVAILABLE', 'away'))
    const onError = vi.fn()
    const marks = new ReadMarks({ send, connected: () => true, onError })
    marks.mark('c', { messageId: 'm1', seq: 1 })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(send.mock.calls).toEqual([
      ['c', 'm1'],
      ['c', 'm1'],
    ])
    expect(onError).not.toHaveBeenCalled()
  } finally {
    vi.useRealTimers()
  }
})

it('a read mark is sent even if it was made while an older one was in flight', async () => {
  vi.useFakeTimers()
  try {
    const first = Promise.withResolvers<void>()
    const send = vi.fn().mockReturnValueOnce(first.promise).mockResolvedValue(undefined)
    const marks = new ReadMarks({ send, connected: () => true, onError: ({ message }) => expect.unreachable(message) })
    marks.mark('c', { messageId: 'm1', seq: 1 })
    await vi.advanceTimersByTimeAsync(100)
    marks.mark('c', { messageId: 'm2', seq: 2 })
    first.resolve()
    await vi.advanceTimersByTimeAsync(100)
    expect(send.mock.calls).toEqual([
      ['c', 'm1'],
      ['c', 'm2'],
    ])
  } finally {
    vi.useRealTimers()
  }
})

it('a connection that is waiting to reconnect does so at once on hurry()', async () => {
  const getToken = vi.fn(() => Promise.reject(new Error('the login server is down')))
  const ignore = () => undefined
  const told = { onState: ignore, onEvent: ignore, onConnect: async () => undefined, onError: ignore }
  const tokens = new TokenSource(getToken)
  const connection = new Connection({ url: 'http://127.0.0.1:9', tokens, hello: () => ({}), ...told })
  // The longest possible delay.
  const random = vi.spyOn(Math, 'random').mockReturnValue(1)
  try {
    connection.start()
    await expect.poll(() => connection.state).toBe('offline')
    connection.hurry()
    expect(getToken).toHaveBeenCalledTimes(2)
  } finally {
    random.mockRestore()
    connection.stop()
  }
})

describe('a connection that is stopped while it waits for a token', () => {
  function waiting() {
    const asked: PromiseWithResolvers<string>[] = []
    const getToken = () => {
      asked.push(Promise.withResolvers<string>())
      return asked.at(-1)?.promise ?? ''
    }
    const [hello, onError, ignore] = [vi.fn(() => ({})), vi.fn(), () => undefined]
    const told = { onState: ignore, onEvent: ignore, onConnect: async () => undefined, onError }
    const tokens = new TokenSource(getToken)
    const connection = new Connection({ url: 'http://127.0.0.1:9', tokens, hello, ...told })
    connection.start()
    connection.stop()
    return { asked, hello, onError, connection }
  }

  it('does not open a socket when the token arrives', async () => {
    const { asked, hello, connection } = waiting()
    asked[0]?.resolve('token')
    await expect.poll(() => asked).toHaveLength(1)
    await new Promise(setImmediate)
    expect(hello).not.toHaveBeenCalled()
    expect(connection.state).toBe('offline')
  })

  it('is not retried when getToken fails', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const { asked, onError } = waiting()
      asked[0]?.reject(new Error('signed out'))
      await new Promise(setImmediate)
      await vi.advanceTimersByTimeAsync(60_000)
      expect(asked).toHaveLength(1)
      expect(onError).not.toHaveBeenCalled()
    } finally {
      vi.useRealTimers()
    }
  })

  it('opens one socket if it is started again', async () => {
    const { asked, hello, connection } = waiting()
    connection.start()
    for (const { resolve } of asked) resolve('token')
    await new Promise(setImmediate)
    expect(hello).toHaveBeenCalledOnce()
    connection.stop()
  })
})

it('an unknown code of a newer server is retryable if it says when to retry', () => {
  const retryable = (retryAfterMs?: number) => new ParleyClientError('LATER' as never, '', { retryAfterMs }).retryable
  expect([retryable(5), retryable()]).toEqual([true, false])
})

it('reads are retried if that can help; writes are not', async () => {
  let asked = 0
  const answer = (code: string) => ({ success: false, error: { code, message: '' } })
  const answers = [answer('UNAVAILABLE'), answer('UNAVAILABLE'), { success: true, data: 'here' }, answer('NOT_FOUND')]
  const fetch = async () => Response.json(answers[asked++])
  const { signal: closed } = new AbortController()
  const http = new Http({ url: 'http://127.0.0.1:9', tokens: new TokenSource(() => 'a token'), fetch, closed })
  await expect(http.send('POST', '/')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(asked).toBe(1)
  expect((await http.get('/')).data).toBe('here')
  await expect(http.get('/')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(asked).toBe(4)
})

describe('a large file, if the browser blocks uploads to object storage', () => {
  const MEBIBYTE = 1024 * 1024

  /** A page. @returns a function that sends a file of `bytes` bytes and returns its outcome and the distinct requests made */
  function page(bytes: number, formMaxBytes: number | undefined) {
    let asked: string[] = []
    const parts = [{ partNumber: 1, offset: 0, size: bytes, url: 'http://store.test/part' }]
    const fetch: typeof globalThis.fetch = async (input, { method } = {}) => {
      const { host, pathname } = new URL(String(input))
      asked.push(`${method} ${host === 'store.test' ? 'store' : pathname.split('/').slice(5).join('/')}`)
      if (method === 'PUT') throw new TypeError('Failed to fetch')
      // What a page sees of a responding server of another origin; the constructor cannot make one.
      if (method === 'HEAD') return Object.defineProperty(new Response(), 'type', { value: 'opaque' })
      if (pathname.endsWith('/messages')) return Response.json({ success: true, data: message(1) })
      return Response.json({ success: true, data: { id: 'f', parts, formMaxBytes } })
    }
    const { signal: closed } = new AbortController()
    const http = new Http({ url: 'http://api.test', tokens: new TokenSource(() => 'a token'), fetch, closed })
    const uploads = new Uploads(http)
    return async () => {
      const random = vi.spyOn(Math, 'random').mockReturnValue(0)
      try {
        asked = []
        const file = new File([new Uint8Array(bytes)], 'film.bin')
        const delivered = await uploads.deliver('c', file, {}).catch(toClientError)
        return { delivered, asked: [...new Set(asked)] }
      } finally {
        random.mockRestore()
      }
    }
  }
  const upTo = ['POST attachments', 'PUT store', 'HEAD store', 'DELETE attachments/f']

  it('is sent as a form if the server accepts that size, and the upload is cleaned up', async () => {
    const { delivered, asked } = await page(9 * MEBIBYTE, 9 * MEBIBYTE)()
    expect(delivered).toEqual({ message: message(1) })
    expect(asked).toEqual([...upTo, 'POST messages'])
  })

  it('is sent as a form right away after an earlier upload was blocked', async () => {
    const deliver = page(9 * MEBIBYTE, 9 * MEBIBYTE)
    await deliver()
    expect(await deliver()).toEqual({ delivered: { message: message(1) }, asked: ['POST messages'] })
  })

  it.each([
    ['exceeds the limit for forms', 9 * MEBIBYTE - 1],
    ['meets an older server, which does not announce its limit', undefined],
  ])('is not sent as a form if it %s', async (_, formMaxBytes) => {
    const { delivered, asked } = await page(9 * MEBIBYTE, formMaxBytes)()
    expect(delivered).toMatchObject({ code: 'UPLOAD_BLOCKED', retryable: false })
    expect(asked).toEqual(upTo)
  })
})

it.each([
  ['http://localhost:4000', true],
  ['https://chat.example.com/', true],
  ['https://example.com/chat', false],
  ['https://chat.example.com/?a=b', false],
  ['wss://chat.example.com', false],
  ['chat.example.com', false],
  ['', false],
])('a client accepts the origin of a server and nothing else: %j', (url, taken) => {
  const make = () => new ParleyClient({ url, getToken: () => 'a token' }).close()
  if (taken) make()
  else expect(make).toThrow(`without a path, such as https://chat.example.com, not ${url}`)
})

describe('LazyStore', () => {
  it('returns the same snapshot until something changes, and notifies once per turn', async () => {
    let value = 0
    const store = new LazyStore(() => ({ value }))
    const listener = vi.fn()
    const stop = store.subscribe(listener)
    const before = store.getSnapshot()
    expect(store.getSnapshot()).toBe(before)
    value = 1
    store.invalidate()
    store.invalidate()
    expect(store.getSnapshot()).toEqual({ value: 1 })
    await Promise.resolve()
    expect(listener).toHaveBeenCalledTimes(1)
    stop()
    store.invalidate()
    await Promise.resolve()
    expect(listener).toHaveBeenCalledTimes(1)
  })

  it('notifies the other listeners when one throws, but none that was removed meanwhile', async () => {
    const thrown: unknown[] = []
    const queue = vi.spyOn(globalThis, 'queueMicrotask')
    const store = new LazyStore(() => 0)
    const [taken, last] = [vi.fn(), vi.fn()]
    store.subscribe(() => {
      stop()
      throw new Error('of the application')
    })
    const stop = store.subscribe(taken)
    store.subscribe(last)
    // An error of the application surfaces as uncaught; the test catches it where it would be thrown.
    const caught = (work: () => void) => {
      try {
        work()
      } catch (error) {
        thrown.push(error)
      }
    }
    queue.mockImplementation((work) => void Promise.resolve().then(() => caught(work)))
    store.invalidate()
    await new Promise(setImmediate)
    queue.mockRestore()
    expect(last).toHaveBeenCalledTimes(1)
    expect(taken).not.toHaveBeenCalled()
    expect(thrown).toEqual([new Error('of the application')])
  })
})

describe('fullJitter', () => {
  it('is uniform up to a bound that doubles up to 30 s', () => {
    const options = { baseMs: 500, maxMs: 30_000 }
    expect(fullJitter(0, options, () => 0.5)).toBe(250)
    expect(fullJitter(3, options, () => 1)).toBe(4_000)
    expect(fullJitter(1_000, options, () => 1)).toBe(30_000)
    expect(fullJitter(5, options, () => 0)).toBe(0)
  })
})

describe('Outbox', () => {
  function outboxWith(send: (entry: OutboxEntry) => Promise<Message>) {
    const outbox = new Outbox({ storage: memoryStorage(), send, connected: () => true, onError: () => undefined })
    const add = (content: string, conversationId = 'c') =>
      outbox.add({ content, conversationId, clientMessageId: `id ${content}` })
    return { outbox, add }
  }

  it('retries after a retryable error, before later messages of that conversation, with the same id', async () => {
    const tries: string[] = []
    const times: number[] = []
    const failures = [
      new ParleyClientError('OVERLOADED', 'full', { retryAfterMs: 50 }),
      new ParleyClientError('TIMEOUT', ''),
    ]
    const { outbox, add } = outboxWith(async (entry) => {
      tries.push(entry.clientMessageId)
      if (entry.content === 'one') times.push(performance.now())
      const failure = entry.content === 'one' ? failures.shift() : undefined
      if (failure !== undefined) throw failure
      return message(tries.length)
    })
    const sent = [add('one'), add('two'), add('elsewhere', 'd')]
    expect(tries).toEqual([])
    await outbox.identify('a')
    outbox.flush()
    await Promise.all(sent)
    const here = tries.filter((id) => id !== 'id elsewhere')
    expect(here).toEqual(['id one', 'id one', 'id one', 'id two'])
    expect(tries.indexOf('id elsewhere')).toBe(1)
    const [first = 0, second = 0] = times
    expect(second - first).toBeGreaterThan(45)
    expect(outbox.size).toBe(0)
  })

  it('retries at once on a new connection, however long the last server asked it to wait', async () => {
    const failed = Promise.withResolvers<void>()
    const failures = [new ParleyClientError('OVERLOADED', 'full', { retryAfterMs: 60_000 })]
    const { outbox, add } = outboxWith(async () => {
      const failure = failures.shift()
      if (failure === undefined) return message(1)
      failed.resolve()
      throw failure
    })
    await outbox.identify('a')
    const sent = add('one')
    await failed.promise
    await expect.poll(() => outbox.pending('c').getSnapshot()[0]?.status).toBe('queued')
    outbox.flush()
    expect(await sent).toEqual(message(1))
  })

  it('discards queued messages, but not one being sent', async () => {
    const stored = Promise.withResolvers<Message>()
    const { outbox, add } = outboxWith(() => stored.promise)
    await outbox.identify('a')
    const [sent, waiting] = [add('one'), add('two')]
    for (const id of ['id one', 'id two']) outbox.discard(id)
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' })
    stored.resolve(message(1))
    expect(await sent).toEqual(message(1))
    expect(outbox.size).toBe(0)
    outbox.close()
    await expect(add('three')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('sends messages that it cannot store, and reports it', async () => {
    const full = () => Promise.reject(new Error('the storage is full'))
    const onError = vi.fn()
    const storage = { load: full, put: full, remove: full }
    const outbox = new Outbox({ storage, send: async () => message(1), connected: () => true, onError })
    await outbox.identify('a')
    await outbox.add({ content: 'one', conversationId: 'c', clientMessageId: 'one' })
    await expect.poll(() => onError).toHaveBeenCalledTimes(3)
    const told = { code: 'STORAGE', retryable: false, cause: new Error('the storage is full') }
    expect(onError.mock.calls).toMatchObject([[told], [told], [told]])
  })

  it('continues without a storage that does not respond, and reports it', async () => {
    vi.useFakeTimers()
    try {
      const onError = vi.fn()
      const storage = { ...memoryStorage(), load: () => new Promise<OutboxEntry[]>(() => undefined) }
      const outbox = new Outbox({ storage, send: async () => message(1), connected: () => true, onError })
      const [identified, sent] = [
        outbox.identify('a'),
        outbox.add({ content: 'one', conversationId: 'c', clientMessageId: 'one' }),
      ]
      await vi.advanceTimersByTimeAsync(5_000)
      await identified
      outbox.flush()
      expect(await sent).toEqual(message(1))
      expect(onError.mock.calls).toMatchObject([[{ code: 'STORAGE' }]])
    } finally {
      vi.useRealTimers()
    }
  })

  it('lists a message once if it was added and stored while the storage was loading', async () => {
    const kept = memoryStorage()
    const looked = Promise.withResolvers<void>()
    const storage = { ...kept, load: (userId: string) => looked.promise.then(() => kept.load(userId)) }
    const send = async () => message(1)
    const outbox = new Outbox({
      storage,
      send,
      connected: () => false,
      onError: ({ message }) => expect.unreachable(message),
    })
    const identified = outbox.identify('a')
    outbox.add({ content: 'one', conversationId: 'c', clientMessageId: 'one' }).catch(() => undefined)
    looked.resolve()
    await identified
    expect(outbox.size).toBe(1)
    outbox.close()
  })

  it('keeps the order over three runs, even if the clock was ahead in the first', async () => {
    const storage = memoryStorage()
    const run = (connected: boolean) => {
      const sent: string[] = []
      const send = async ({ content }: OutboxEntry) => message(sent.push(content))
      return { sent, outbox: new Outbox({ storage, send, connected: () => connected, onError: () => undefined }) }
    }
    const write = async (content: string) => {
      const { outbox } = run(false)
      await outbox.identify('a')
      outbox.add({ content, conversationId: 'c', clientMessageId: content }).catch(() => undefined)
      outbox.close()
    }
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
    await write('one')
    vi.useRealTimers()
    await write('two')
    const { sent, outbox } = run(true)
    await outbox.identify('a')
    outbox.flush()
    await expect.poll(() => outbox.size).toBe(0)
    expect(sent).toEqual(['one', 'two'])
  })

  it.each(['stored', 'reverse'])(
    'keeps the order of messages added in the same millisecond, loaded in %s order',
    async (loadOrder) => {
      const kept = memoryStorage()
      const load = async (userId: string) => {
        const entries = await kept.load(userId)
        return loadOrder === 'stored' ? entries : entries.reverse()
      }
      const storage = { ...kept, load }
      const sent: string[] = []
      const run = (connected: boolean) => {
        const send = async ({ content }: OutboxEntry) => message(sent.push(content))
        return new Outbox({ storage, send, connected: () => connected, onError: () => undefined })
      }
      const first = run(false)
      await first.identify('a')
      vi.useFakeTimers({ toFake: ['Date'] })
      for (const content of ['one', 'two', 'three']) {
        first.add({ content, conversationId: 'c', clientMessageId: content }).catch(() => undefined)
      }
      vi.useRealTimers()
      await expect.poll(() => storage.load('a')).toHaveLength(3)
      first.close()
      const second = run(true)
      await second.identify('a')
      second.flush()
      await expect.poll(() => second.size).toBe(0)
      expect(sent).toEqual(['one', 'two', 'three'])
    },
  )

  it('leaves no sent message in a storage that is slower than the server', async () => {
    const kept = memoryStorage()
    const slow = Promise.withResolvers<void>()
    const [put, remove] = [vi.fn(kept.put), vi.fn(kept.remove)]
    const storage = {
      ...kept,
      put: (...entry: Parameters<typeof put>) => slow.promise.then(() => put(...entry)),
      remove,
    }
    const outbox = new Outbox({
      storage,
      send: async () => message(1),
      connected: () => true,
      onError: () => undefined,
    })
    await outbox.identify('a')
    await outbox.add({ content: 'one', conversationId: 'c', clientMessageId: 'one' })
    slow.resolve()
    await expect.poll(() => [put.mock.calls.length, remove.mock.calls.length]).not.toContain(0)
    expect(await kept.load('a')).toEqual([])
  })

  it('sends a failed message again on retry', async () => {
    let fail = true
    const { outbox, add } = outboxWith(async () => {
      if (fail) throw new ParleyClientError('FORBIDDEN', 'no')
      return message(1)
    })
    await outbox.identify('a')
    await expect(add('one')).rejects.toMatchObject({ code: 'FORBIDDEN', retryable: false })
    expect(outbox.pending('c').getSnapshot()).toMatchObject([{ status: 'failed' }])
    fail = false
    const gone = new Promise<void>((resolve) => outbox.pending('c').subscribe(() => outbox.size === 0 && resolve()))
    outbox.retry('id one')
    await gone
  })
})

it('whenLive leaves no timers or listeners behind', async () => {
  vi.useFakeTimers()
  try {
    const events = new Emitter<ClientEvents>()
    const state = new LazyStore<ConnectionState>(() => 'live')
    const closed = new AbortController()
    const listeners = vi.spyOn(closed.signal, 'removeEventListener')
    const ends: ReturnType<typeof vi.fn>[] = []
    const on: Emitter<ClientEvents>['on'] = (name, listener) => {
      const end = vi.fn(events.on(name, listener))
      ends.push(end)
      return end
    }
    await whenLive({ on, state }, closed.signal, 1_000)
    expect(vi.getTimerCount()).toBe(0)
    expect(ends.map(({ mock }) => mock.calls.length)).toEqual([1, 1])
    expect(listeners).toHaveBeenCalledOnce()
  } finally {
    vi.useRealTimers()
  }
})

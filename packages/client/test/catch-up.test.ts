import type { Message, SyncAnswer } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CatchUp } from '../src/catch-up.ts'
import { ParleyClientError } from '../src/errors.ts'
import type { Http } from '../src/http.ts'
import { AT, ahmed, messageOf, omar, picture, setting, synced, update } from './one-room.ts'

/* How a client catches up, with control over what the server answers and when. */

const NOTHING: SyncAnswer = { conversations: [], left: [], hasMore: false, after: null }
/** Longer than the client waits before fetching anything that is missing, in milliseconds. */
const PATIENCE_MS = 5_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** The client of `setting` and a server that stores these messages. */
function catchingUp(stored: Message[] = [], limit = 5_000, total = stored.at(-1)?.seq ?? 0) {
  const world = setting()
  const call = vi.fn(async (_asked: { conversations: Record<string, number>; epoch: string | null }) => NOTHING)
  const page = vi.fn(async (afterSeq: number) => stored.filter(({ seq }) => seq > afterSeq))
  const get = async (_path: string, { query }: { query: { afterSeq: number } }) => {
    return { data: await page(query.afterSeq), meta: { total } }
  }
  const [onError, onSkipped] = [vi.fn(), vi.fn()]
  const http = { get } as unknown as Http
  const catchUp = new CatchUp({ ...world, http, call, connected: () => true, limit, onError, onSkipped })
  world.onGap.mockImplementation((room) => catchUp.gapSeen(room))
  world.onHole.mockImplementation(() => catchUp.holeSeen())
  return { ...world, catchUp, call, page, onError, onSkipped, seqs: () => world.delivered.map(({ seq }) => seq) }
}

const fromTwoTo = (last: number) => Array.from({ length: last - 1 }, (_, i) => messageOf('ahmed', i + 2, i + 6))
const network = () => new ParleyClientError('NETWORK', 'The network is down.')

describe('what is missing when the connection breaks is still fetched on the next one', () => {
  it('by a sync', async () => {
    const { inbox, catchUp, call } = catchingUp()
    inbox.onRead({ conversationId: 'c', messageId: 'm', seq: 1, rev: 7, userId: 'fatima', userName: '', readAt: '' })
    catchUp.stop()
    catchUp.holeSeen()
    await vi.advanceTimersByTimeAsync(PATIENCE_MS)
    expect(call).toHaveBeenCalled()
    catchUp.stop()
  })

  it('by seq, for a gap between messages', async () => {
    const { inbox, catchUp, seqs } = catchingUp(fromTwoTo(4))
    inbox.onMessage(messageOf('ahmed', 3, 7))
    catchUp.stop()
    inbox.onMessage(messageOf('ahmed', 4, 8))
    await vi.advanceTimersByTimeAsync(300)
    expect(seqs()).toEqual([2, 3, 4])
    catchUp.stop()
  })
})

it('asks for all changes after the last one known without a hole', async () => {
  const { room, catchUp, call } = catchingUp()
  room.revisions.saw(7)
  await catchUp.sync()
  expect(call.mock.calls).toEqual([[{ conversations: { c: 5 }, after: null, until: null, epoch: null }]])
  catchUp.stop()
})

it('syncs once more if asked to while a sync is in progress', async () => {
  const { catchUp, call } = catchingUp()
  const first = catchUp.sync()
  await Promise.all([first, catchUp.sync(), catchUp.sync()])
  expect(call).toHaveBeenCalledTimes(2)
  catchUp.stop()
})

it('retries a failed fetch of messages on an open connection, even if no sync reports them missing', async () => {
  const { inbox, catchUp, page, onError, seqs } = catchingUp(fromTwoTo(3))
  page.mockRejectedValueOnce(network())
  inbox.onMessage(messageOf('ahmed', 3, 7))
  await vi.advanceTimersByTimeAsync(300)
  expect(onError).toHaveBeenCalledOnce()
  await vi.advanceTimersByTimeAsync(PATIENCE_MS)
  expect(seqs()).toEqual([2, 3])
  catchUp.stop()
})

it('reports announced messages that cannot be fetched, for example from a lagging replica', async () => {
  const { inbox, catchUp, onError } = catchingUp([], 5_000, 1)
  inbox.onMessage(messageOf('ahmed', 3, 7))
  await vi.advanceTimersByTimeAsync(PATIENCE_MS)
  expect(onError.mock.calls).toMatchObject([[{ code: 'BAD_ANSWER' }]])
  catchUp.stop()
})

it('syncs again on an open connection after a failed sync', async () => {
  const { room, catchUp, call, onError } = catchingUp()
  room.revisions.saw(7)
  call.mockRejectedValueOnce(new ParleyClientError('BAD_ANSWER', ''))
  catchUp.holeSeen()
  await vi.advanceTimersByTimeAsync(2 * PATIENCE_MS)
  expect(onError).toHaveBeenCalledOnce()
  expect(call.mock.calls.length).toBeGreaterThan(1)
  catchUp.stop()
})

it('asks exactly once more for a conversation that appeared during a sync', async () => {
  await vi.advanceTimersByTimeAsync(1_000)
  const { inbox, catchUp, call } = catchingUp()
  const answer = Promise.withResolvers<SyncAnswer>()
  call.mockReturnValueOnce(answer.promise)
  const sync = catchUp.sync()
  await vi.advanceTimersByTimeAsync(1_000)
  inbox.put({ ...picture(2, 0, [ahmed, omar]), id: 'd' })
  answer.resolve(NOTHING)
  await sync
  call.mockClear()
  await vi.advanceTimersByTimeAsync(PATIENCE_MS)
  expect(call.mock.calls).toEqual([[{ conversations: { c: 5, d: 2 }, after: null, until: null, epoch: null }]])
  catchUp.holeSeen()
  await vi.advanceTimersByTimeAsync(PATIENCE_MS)
  expect(call).toHaveBeenCalledOnce()
  catchUp.stop()
})

it('fetches what is missing after a failed catch-up', async () => {
  const { inbox, room, catchUp, call, page, seqs } = catchingUp(fromTwoTo(4))
  call.mockResolvedValueOnce({ ...NOTHING, conversations: [synced(7, 3, { tooLong: true })] })
  page.mockRejectedValueOnce(network())
  await expect(catchUp.sync()).rejects.toMatchObject({ code: 'NETWORK' })
  expect(room.revisions.upTo).toBe(5)
  inbox.onMessage(messageOf('ahmed', 4, 8))
  await vi.advanceTimersByTimeAsync(300)
  expect(seqs()).toEqual([2, 3, 4])
  catchUp.stop()
})

it('skips deleted messages, between others and at the end', async () => {
  const { inbox, room, catchUp, call, seqs } = catchingUp([messageOf('ahmed', 3, 7)], 5_000, 4)
  call.mockResolvedValueOnce({ ...NOTHING, conversations: [synced(8, 4, { tooLong: true })] })
  await catchUp.sync()
  expect(seqs()).toEqual([3])
  expect(room.sequence.hasGap).toBe(false)
  inbox.onMessage(messageOf('ahmed', 5, 9))
  expect(seqs()).toEqual([3, 5])
  catchUp.stop()
})

it('delivers nothing from a conversation that the user was removed from during the fetch', async () => {
  const { inbox, room, catchUp, page, seqs } = catchingUp()
  const answer = Promise.withResolvers<Message[]>()
  page.mockReturnValueOnce(answer.promise)
  inbox.onMessage(messageOf('ahmed', 3, 7))
  await vi.advanceTimersByTimeAsync(300)
  expect(page).toHaveBeenCalledOnce()
  inbox.onUpdated(update(9, { removed: ['omar'] }))
  answer.resolve(fromTwoTo(3))
  await vi.advanceTimersByTimeAsync(PATIENCE_MS)
  expect(seqs()).toEqual([])
  expect(inbox.get('c')).not.toBe(room)
  catchUp.stop()
})

it('refetches loaded messages when more has changed than a sync reports', async () => {
  const before = [messageOf('ahmed', 1, 5), ...fromTwoTo(3)]
  const now = before.map((message) => ({ ...message, rev: message.rev + 10, content: 'changed' }))
  const { inbox, room, catchUp, call } = catchingUp(now)
  room.timeline.reset(before.slice(0, 1), false)
  for (const message of before.slice(1)) inbox.onMessage(message)
  call.mockResolvedValueOnce({ ...NOTHING, conversations: [synced(17, 3, { tooLong: true })] })
  await catchUp.sync()
  expect(room.timeline.snapshot().messages.map(({ content }) => content)).toEqual(['changed', 'changed', 'changed'])
  expect(room.revisions.upTo).toBe(17)
  catchUp.stop()
})

it('drops loaded messages before a range that it skips', async () => {
  const { room, catchUp, call, onSkipped, seqs } = catchingUp(fromTwoTo(300), 100)
  room.timeline.reset([messageOf('ahmed', 1, 5)], false)
  call.mockResolvedValueOnce({ ...NOTHING, conversations: [synced(304, 300, { tooLong: true })] })
  await catchUp.sync()
  expect(onSkipped.mock.calls).toEqual([[{ conversationId: 'c', fromSeq: 2, toSeq: 300 - LIMITS.pageSize }]])
  expect(seqs()).toEqual(Array.from({ length: LIMITS.pageSize }, (_, i) => 301 - LIMITS.pageSize + i))
  expect(room.timeline.snapshot()).toMatchObject({ status: 'idle', messages: [] })
  catchUp.stop()
})

describe('after the server was restored from a backup', () => {
  const at = (seq: number, second: number) => ({
    ...messageOf('ahmed', seq, seq),
    createdAt: AT.replace('00.', `${second}.`),
  })
  const [one, two, lost] = [at(2, 12), at(3, 13), at(4, 14)]

  it('delivers nothing twice, but what was written there since, even under the seq of a lost message', async () => {
    const { inbox, catchUp, call, seqs } = catchingUp([at(1, 11), one, two, { ...at(4, 20), id: 'new' }])
    for (const message of [one, two, lost]) inbox.onMessage(message)
    expect(seqs()).toEqual([2, 3, 4])
    call.mockResolvedValueOnce({ ...NOTHING, conversations: [synced(3, 4, { tooLong: true })] })
    await catchUp.sync()
    expect(seqs()).toEqual([2, 3, 4, 4])
    catchUp.stop()
  })

  it('delivers what had not been delivered before', async () => {
    const { inbox, catchUp, call, seqs } = catchingUp([at(1, 11), one, two])
    for (const message of [one, lost]) inbox.onMessage(message)
    call.mockResolvedValueOnce({ ...NOTHING, conversations: [synced(3, 3, { tooLong: true })] })
    await catchUp.sync()
    expect(seqs()).toEqual([2, 3])
    catchUp.stop()
  })

  it('does not fetch the whole history', async () => {
    const stored = Array.from({ length: 300 }, (_, i) => at(i + 1, 11))
    const { inbox, catchUp, call, page, seqs } = catchingUp(stored)
    inbox.onMessage(one)
    inbox.get('c')?.sequence.skipTo(400)
    call.mockResolvedValueOnce({ ...NOTHING, conversations: [synced(3, 300, { tooLong: true })] })
    await catchUp.sync()
    expect(page.mock.calls).toEqual([[300 - LIMITS.pageSize]])
    expect(seqs()).toEqual([2])
    catchUp.stop()
  })
})

describe('a sync in progress when the connection breaks', () => {
  it('stops waiting for an overloaded server', async () => {
    const { catchUp, call } = catchingUp()
    call.mockRejectedValue(new ParleyClientError('OVERLOADED', '', { retryAfterMs: 60_000 }))
    const sync = catchUp.sync()
    sync.catch(() => undefined)
    await vi.advanceTimersByTimeAsync(PATIENCE_MS)
    catchUp.stop()
    await expect(sync).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(call).toHaveBeenCalledOnce()
  })

  it('continues as the sync of the next connection', async () => {
    const { catchUp, call } = catchingUp()
    const answer = Promise.withResolvers<SyncAnswer>()
    call.mockReturnValueOnce(answer.promise)
    catchUp.sync().catch(() => undefined)
    catchUp.stop()
    const next = catchUp.sync()
    answer.reject(network())
    await next
    expect(call).toHaveBeenCalledTimes(2)
    catchUp.stop()
  })
})

describe('where the database of the server follows another history', () => {
  const [n2, n3, n4] = [2, 3, 4].map((seq) => ({ ...messageOf('ahmed', seq, seq + 4), id: `n${seq}` }))
  const stored = [n2, n3, n4].filter((message) => message !== undefined)
  const answer = (lostAfterSeq: number | null): SyncAnswer => ({
    ...NOTHING,
    conversations: [synced(8, 4, { tooLong: true, lostAfterSeq, messages: stored.slice(-1) })],
    epoch: 'b',
  })

  it('tells the epoch of the first answer, and syncs once more where another came meanwhile', async () => {
    const { catchUp, call } = catchingUp()
    call.mockResolvedValueOnce({ ...NOTHING, epoch: 'a', hasMore: true, after: 'b' })
    call.mockResolvedValue({ ...NOTHING, epoch: 'b' })
    await catchUp.sync()
    await catchUp.sync()
    // A server of before names none.
    call.mockResolvedValueOnce(NOTHING)
    await catchUp.sync()
    await catchUp.sync()
    expect(call.mock.calls.map(([{ epoch }]) => epoch)).toEqual([null, null, 'a', 'b', 'b', 'b'])
    catchUp.stop()
  })

  it('delivers what takes the place of lost messages, and nothing twice', async () => {
    const { inbox, catchUp, call, page, delivered } = catchingUp(stored)
    for (const message of fromTwoTo(3)) inbox.onMessage(message)
    // On top of those that are lost, before anybody has noticed.
    if (n4 !== undefined) inbox.onMessage(n4)
    call.mockResolvedValueOnce(answer(1))
    await catchUp.sync()
    expect(delivered.map(({ id }) => id)).toEqual(['m2', 'm3', 'n4', 'n2', 'n3'])
    expect(page.mock.calls).toEqual([[1]])
    catchUp.stop()
  })

  it('fetches nothing of a conversation of which nothing was lost', async () => {
    const { room, inbox, catchUp, call, page, delivered } = catchingUp()
    call.mockResolvedValueOnce({ ...answer(1), conversations: [synced(5, 1, { tooLong: true, lostAfterSeq: 1 })] })
    await catchUp.sync()
    expect(inbox.get('c')).not.toBe(room)
    expect([page.mock.calls, delivered]).toEqual([[], []])
    catchUp.stop()
  })

  it('begins a conversation anew once, however often the sync is broken off', async () => {
    const { inbox, catchUp, call, page, delivered } = catchingUp(stored)
    for (const message of fromTwoTo(3)) inbox.onMessage(message)
    call.mockResolvedValue(answer(1))
    page.mockRejectedValueOnce(network())
    await expect(catchUp.sync()).rejects.toMatchObject({ code: 'NETWORK' })
    const begun = inbox.get('c')
    await catchUp.sync()
    expect(inbox.get('c')).toBe(begun)
    expect(delivered.map(({ id }) => id)).toEqual(['m2', 'm3', 'n2', 'n3', 'n4'])
    catchUp.stop()
  })
})

import { ParleyError } from '@parley/protocol'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { GroupCommit } from '../src/group-commit.ts'

interface Gate {
  batches: string[][]
  release: () => void
}

/** A GroupCommit whose batches finish when the test releases them. */
function gated(options: { maxQueue?: number; maxBatch?: number; deadlineMs?: number; maxPauseMs?: number } = {}) {
  const gate: Gate = { batches: [], release: () => undefined }
  const errors: unknown[] = []
  const commit = new GroupCommit<string, string>({
    maxBatch: 10,
    maxQueue: 100,
    deadlineMs: 2_000,
    ...options,
    onError: (error) => errors.push(error),
    run: async (items) => {
      gate.batches.push(items)
      await new Promise<void>((resolve) => {
        gate.release = resolve
      })
      return items.map((item) => item.toUpperCase())
    },
  })
  return { commit, gate, errors }
}

function failing(fail: (items: string[], attempt: number) => unknown, deadlineMs = 10_000) {
  const attempts: string[][] = []
  const commit = new GroupCommit<string, string>({
    maxBatch: 10,
    maxQueue: 100,
    deadlineMs,
    onError: () => undefined,
    run: async (items) => {
      attempts.push(items)
      const error = fail(items, attempts.length)
      if (error !== undefined) throw error
      return items
    },
  })
  return { commit, attempts }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))
const sqlError = (code: string) => Object.assign(new Error(code), { code })

describe('GroupCommit', () => {
  describe('with a pause', () => {
    beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] }))
    afterEach(() => vi.useRealTimers())

    it.each([
      { tookMs: 20, pauseMs: 20 },
      { tookMs: 200, pauseMs: 50 },
    ])('waits $pauseMs ms after a batch of $tookMs ms during which others arrived', async ({ tookMs, pauseMs }) => {
      const { commit, gate } = gated({ maxPauseMs: 50 })
      const first = ['a', 'b'].map((item) => commit.submit(item))
      await turn()
      const early = commit.submit('c')
      await vi.advanceTimersByTimeAsync(tookMs)
      gate.release()
      expect(await Promise.all(first)).toEqual(['A', 'B'])
      const again = ['a', 'b'].map((item) => commit.submit(item))
      await vi.advanceTimersByTimeAsync(pauseMs - 1)
      expect(gate.batches).toHaveLength(1)
      await vi.advanceTimersByTimeAsync(1)
      expect(gate.batches.at(-1)).toEqual(['c', 'a', 'b'])
      gate.release()
      await Promise.all([early, ...again])
    })

    it('waits after a batch of several items, even if no others arrived meanwhile', async () => {
      const { commit, gate } = gated({ maxPauseMs: 50 })
      const first = ['a', 'b'].map((item) => commit.submit(item))
      await turn()
      await vi.advanceTimersByTimeAsync(20)
      gate.release()
      await Promise.all(first)
      const again = ['a', 'b'].map((item) => commit.submit(item))
      await vi.advanceTimersByTimeAsync(19)
      expect(gate.batches).toHaveLength(1)
      await vi.advanceTimersByTimeAsync(1)
      expect(gate.batches.at(-1)).toEqual(['a', 'b'])
      gate.release()
      await Promise.all(again)
    })

    it('does not delay items sent one after the other', async () => {
      const { commit, gate } = gated({ maxPauseMs: 50 })
      for (const item of ['a', 'b', 'c']) {
        const sent = commit.submit(item)
        await turn()
        expect(gate.batches.at(-1)).toEqual([item])
        await vi.advanceTimersByTimeAsync(20)
        gate.release()
        await sent
        await turn()
      }
    })

    it('does not wait before a full batch', async () => {
      const { commit, gate } = gated({ maxPauseMs: 50, maxBatch: 4 })
      const first = commit.submit('a')
      await turn()
      const rest = ['b', 'c', 'd', 'e'].map((item) => commit.submit(item))
      await vi.advanceTimersByTimeAsync(20)
      gate.release()
      await first
      await turn()
      expect(gate.batches.at(-1)).toEqual(['b', 'c', 'd', 'e'])
      gate.release()
      await Promise.all(rest)
    })
  })

  it('combines items that arrive during a batch into the next one', async () => {
    const { commit, gate } = gated()
    const first = commit.submit('a')
    await turn()
    const rest = ['b', 'c', 'd'].map((item) => commit.submit(item))
    gate.release()
    expect(await first).toBe('A')
    await turn()
    gate.release()
    expect(await Promise.all(rest)).toEqual(['B', 'C', 'D'])
    expect(gate.batches).toEqual([['a'], ['b', 'c', 'd']])
  })

  it('starts the next batch once the database has answered, while the first is being finished', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const begun: string[] = []
    const finish = new Map<string, () => void>()
    const commit = new GroupCommit<string, string>({
      maxBatch: 1,
      maxQueue: 100,
      deadlineMs: 200,
      onError: () => undefined,
      run: async ([item = ''], committed) => {
        begun.push(item)
        if (item !== 'c') committed()
        await new Promise<void>((resolve) => finish.set(item, resolve))
        return [item]
      },
    })
    const sent = ['a', 'b', 'c', 'd'].map((item) => commit.submit(item))
    const answers = Promise.allSettled(sent)
    await expect.poll(() => begun).toEqual(['a', 'b', 'c'])
    finish.get('b')?.()
    await sent[1]
    // The deadline applies to unfinished batches as it does to the one at the database and to queued items.
    vi.advanceTimersByTime(220)
    const late = { status: 'rejected', reason: { code: 'UNAVAILABLE' } }
    expect(await answers).toMatchObject([late, { status: 'fulfilled', value: 'b' }, late, late])
    expect(begun, 'c is at the database').toHaveLength(3)
    expect(commit.waiting).toBe(2)
    for (const item of ['a', 'c']) finish.get(item)?.()
    await commit.close()
    expect(commit.waiting).toBe(0)
  })

  it('refuses items beyond its queue length as OVERLOADED', async () => {
    const { commit, gate } = gated({ maxQueue: 2 })
    const accepted = [commit.submit('a'), commit.submit('b')]
    await expect(commit.submit('c')).rejects.toMatchObject({ code: 'OVERLOADED' })
    await turn()
    gate.release()
    expect(await Promise.all(accepted)).toEqual(['A', 'B'])
  })

  it('answers UNAVAILABLE at the deadline while the database hangs', async () => {
    const { commit, gate } = gated({ deadlineMs: 50 })
    await expect(commit.submit('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    gate.release()
    await commit.close()
  })

  it('does not start items past their deadline, even if the process was frozen and no timer has fired yet', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval'] })
    try {
      const { commit, gate } = gated()
      const first = commit.submit('a')
      await turn()
      const late = commit.submit('b')
      const refused = expect(late).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      // The time passes, but no timer has fired yet when the database's answer is read.
      vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 2_001)
      gate.release()
      expect(await first).toBe('A')
      await refused
      expect(gate.batches).toEqual([['a']])
      expect(commit.waiting).toBe(0)
    } finally {
      vi.restoreAllMocks()
      vi.useRealTimers()
    }
  })

  it('rejects only the failing item of a batch', async () => {
    const { commit } = failing((items) => (items.includes('bad') ? sqlError('22P05') : undefined))
    const results = await Promise.allSettled(['a', 'b', 'bad', 'c'].map((item) => commit.submit(item)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  })

  it('retries after a deadlock', async () => {
    const { commit, attempts } = failing((_items, attempt) => (attempt < 3 ? sqlError('40P01') : undefined))
    expect(await commit.submit('a')).toBe('a')
    expect(attempts).toHaveLength(3)
  })

  it('keeps retrying while the database is down, up to the deadline', async () => {
    // Connection refused, too many connections, connection broken.
    const codes = ['ECONNREFUSED', '53300', '08006']
    const back = failing((_items, attempt) =>
      attempt <= codes.length ? sqlError(codes[attempt - 1] ?? '') : undefined,
    )
    expect(await back.commit.submit('a')).toBe('a')
    const away = failing(() => sqlError('57P01'), 250)
    const unavailable = { status: 'rejected', reason: { code: 'UNAVAILABLE' } }
    const answers = await Promise.allSettled(['a', 'b'].map((item) => away.commit.submit(item)))
    expect(answers).toMatchObject([unavailable, unavailable])
    // It gives up then, and never tries items one by one: one refused long ago must not be stored later.
    await away.commit.close()
    expect(away.attempts).toEqual(away.attempts.map(() => ['a', 'b']))
  })

  it('passes on the error of a single item', async () => {
    const commit = new GroupCommit<string, string>({
      maxBatch: 10,
      maxQueue: 100,
      deadlineMs: 1_000,
      onError: () => undefined,
      run: async (items) => items.map((item) => (item === 'b' ? new ParleyError('CONVERSATION_NOT_FOUND') : item)),
    })
    const results = await Promise.allSettled(['a', 'b', 'c'].map((item) => commit.submit(item)))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  it('answers all accepted items before it closes, and accepts no more', async () => {
    const { commit, gate } = gated()
    const sent = commit.submit('a')
    const closed = commit.close()
    await expect(commit.submit('b')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await turn()
    gate.release()
    expect(await sent).toBe('A')
    await closed
  })
})

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RoomOrder } from '../src/order.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function orderOf(next?: number) {
  const delivered: number[] = []
  const order = new RoomOrder<number>(250, (seqs) => delivered.push(...seqs), next)
  return {
    delivered,
    accept: (...seqs: number[]) =>
      seqs.forEach((seq) => {
        order.accept(seq, [seq])
      }),
    order,
  }
}

describe('RoomOrder', () => {
  it('delivers in seq order, whatever the order of arrival', () => {
    const { delivered, accept } = orderOf(1)
    accept(3, 2, 1, 5, 4)
    expect(delivered).toEqual([1, 2, 3, 4, 5])
  })

  it('delivers each seq once', () => {
    const { delivered, accept } = orderOf()
    accept(7, 8, 7, 8, 10, 10, 9)
    expect(delivered).toEqual([7, 8, 9, 10])
  })

  it('accepts a run of seqs, and delivers what becomes due together', () => {
    const runs: number[][] = []
    const order = new RoomOrder<number>(250, (seqs) => runs.push(seqs), 1)
    order.accept(4, [4, 5])
    order.accept(7, [7])
    order.accept(1, [1, 2, 3, 4])
    order.accept(6, [6])
    expect(runs).toEqual([
      [1, 2, 3, 4, 5],
      [6, 7],
    ])
    order.close()
  })

  it('delivers late messages from before the first one seen', () => {
    const { delivered, accept } = orderOf()
    accept(6, 5)
    expect(delivered).toEqual([6, 5])
  })

  it('gives up a lost seq after its patience, and accepts it once if it arrives after all', () => {
    const { delivered, accept } = orderOf(1)
    accept(1, 3, 4)
    expect(delivered).toEqual([1])
    vi.advanceTimersByTime(249)
    expect(delivered).toEqual([1])
    vi.advanceTimersByTime(1)
    expect(delivered).toEqual([1, 3, 4])
    accept(1, 2, 2, 5)
    expect(delivered).toEqual([1, 3, 4, 2, 5])
  })

  it('accepts only the last thousand given-up seqs when they arrive after all', () => {
    const { delivered, accept } = orderOf(1)
    for (const seq of [1, 1_002, 2_003]) {
      accept(seq)
      vi.advanceTimersByTime(250)
    }
    accept(1_001, 1_003)
    expect(delivered).toEqual([1, 1_002, 2_003, 1_003])
  })

  it('waits again for each further gap', () => {
    const { delivered, accept } = orderOf(1)
    accept(2, 4)
    vi.advanceTimersByTime(250)
    expect(delivered).toEqual([2])
    vi.advanceTimersByTime(250)
    expect(delivered).toEqual([2, 4])
    expect(vi.getTimerCount()).toBe(0)
  })

  describe('with a store to ask', () => {
    /** A RoomOrder that fetches from `stored`, 250 ms after a gap appears. */
    function orderWithStore(stored: number[]) {
      const delivered: number[] = []
      const asked: [number, number][] = []
      const order: RoomOrder<number> = new RoomOrder(
        250,
        (seqs) => delivered.push(...seqs),
        1,
        async (from, to) => {
          asked.push([from, to])
          for (const seq of stored) if (seq >= from && seq <= to) order.accept(seq, [seq])
        },
      )
      return { delivered, asked, order }
    }

    it('fetches what is missing into its place, and ignores it when it arrives after all', async () => {
      const { delivered, asked, order } = orderWithStore([2, 3])
      for (const seq of [1, 4, 5]) order.accept(seq, [seq])
      await vi.advanceTimersByTimeAsync(250)
      expect(vi.getTimerCount()).toBe(0)
      for (const seq of [3, 2, 6]) order.accept(seq, [seq])
      expect(delivered).toEqual([1, 2, 3, 4, 5, 6])
      expect(asked).toEqual([[2, 3]])
      expect(vi.getTimerCount()).toBe(0)
    })

    it('gives up what is not stored either, and fetches again for a further gap', async () => {
      const { delivered, asked, order } = orderWithStore([2, 6])
      for (const seq of [1, 4, 7]) order.accept(seq, [seq])
      await vi.advanceTimersByTimeAsync(1_000)
      expect(delivered).toEqual([1, 2, 4, 6, 7])
      expect(asked).toEqual([
        [2, 6],
        [3, 5],
        [5, 5],
      ])
      order.accept(3, [3])
      expect(delivered).toEqual([1, 2, 4, 6, 7, 3])
      expect(vi.getTimerCount()).toBe(0)
    })

    it('fetches later gaps together with the first one, up to a hundred messages', async () => {
      const all = Array.from({ length: 151 }, (_, index) => index + 1)
      const { delivered, asked, order } = orderWithStore(all)
      for (const seq of all) if (seq % 2 === 1) order.accept(seq, [seq])
      await vi.advanceTimersByTimeAsync(250)
      expect(delivered).toEqual(all.slice(0, 101))
      await vi.advanceTimersByTimeAsync(250)
      expect(delivered).toEqual(all)
      expect(asked).toEqual([
        [2, 100],
        [102, 150],
      ])
      expect(vi.getTimerCount()).toBe(0)
    })

    it('fetches no more than the first gap if that is wider than one fetch', async () => {
      const { asked, order } = orderWithStore([])
      for (const seq of [1, 200, 300]) order.accept(seq, [seq])
      await vi.advanceTimersByTimeAsync(250)
      expect(asked).toEqual([[2, 199]])
      order.close()
    })

    it('runs one fetch at a time, however long it takes, and delivers nothing once closed', async () => {
      const delivered: number[] = []
      const asked: number[] = []
      const slow = async (from: number) => {
        asked.push(from)
        await new Promise((resolve) => setTimeout(resolve, 1_000))
        if (from === 2) order.accept(2, [2])
      }
      const order: RoomOrder<number> = new RoomOrder(250, (seqs) => delivered.push(...seqs), 1, slow)
      for (const seq of [1, 3]) order.accept(seq, [seq])
      await vi.advanceTimersByTimeAsync(250)
      order.accept(4, [4])
      await vi.advanceTimersByTimeAsync(1_000)
      expect(asked).toEqual([2])
      expect(delivered).toEqual([1, 2, 3, 4])
      order.accept(6, [6])
      await vi.advanceTimersByTimeAsync(250)
      order.close()
      await vi.advanceTimersByTimeAsync(1_000)
      expect(asked).toEqual([2, 5])
      expect(delivered).toEqual([1, 2, 3, 4])
    })
  })
})

import { expect, it } from 'vitest'
import { Waves } from '../src/waves.ts'

const there = () => true

it('runs the first at once, later ones together after it, and at most a wave’s size at a time', async () => {
  const waves = new Waves({ maxSize: 3, pauseMs: () => 0 })
  const began: string[] = []
  const doors: Record<string, () => void> = {}
  const enter = (name: string) =>
    waves.join(async () => {
      began.push(name)
      await new Promise<void>((resolve) => {
        doors[name] = resolve
      })
      return name
    }, there)
  const first = enter('a')
  await expect.poll(() => began).toEqual(['a'])
  const others = ['b', 'c', 'd', 'e'].map(enter)
  doors.a?.()
  expect(await first).toBe('a')
  await expect.poll(() => began).toEqual(['a', 'b', 'c', 'd'])
  for (const name of ['b', 'c', 'd']) doors[name]?.()
  await expect.poll(() => began).toEqual(['a', 'b', 'c', 'd', 'e'])
  doors.e?.()
  expect(await Promise.all(others)).toEqual(['b', 'c', 'd', 'e'])
})

it('gives no place to those who left while waiting', async () => {
  const waves = new Waves({ maxSize: 1, pauseMs: () => 0 })
  const never = () => new Promise<never>(() => undefined)
  const gone = waves.join(never, () => false)
  expect(await waves.join(async () => 'in', there)).toBe('in')
  expect(await gone).toBeUndefined()
})

it('continues after one that fails', async () => {
  const waves = new Waves({ maxSize: 10, pauseMs: () => 0 })
  const refused = waves.join(() => Promise.reject(new Error('refused')), there)
  const other = waves.join(async () => 'in', there)
  await expect(refused).rejects.toThrow('refused')
  expect(await other).toBe('in')
  expect(await waves.join(async () => 'later', there)).toBe('later')
})

it('pauses between waves while many are pending', async () => {
  let crowded = true
  const waves = new Waves({ maxSize: 10, pauseMs: () => (crowded ? 50 : 0) })
  const began: { at: number; run: number }[] = []
  let run = 0
  // A whole wave starts synchronously: no microtask or timer runs in between.
  const enter = () =>
    waves.join(async () => {
      began.push({ at: performance.now(), run })
      queueMicrotask(() => run++)
    }, there)
  await enter()
  // One after the other, as from the network: they share the next wave.
  const late = [enter()]
  await new Promise((resolve) => setImmediate(resolve))
  late.push(enter())
  crowded = false
  await Promise.all(late)
  const [first, second, third] = began
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(45)
  expect([first?.run, second?.run, third?.run]).toEqual([0, 1, 1])
})

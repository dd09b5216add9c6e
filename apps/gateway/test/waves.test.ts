import { expect, it } from 'vitest'
import { Waves } from '../src/waves.ts'

it('lets the first in at once, those who come meanwhile together after them, and no more than a wave holds', async () => {
  const waves = new Waves(3)
  const began: string[] = []
  const doors: Record<string, () => void> = {}
  const enter = (name: string) =>
    waves.join(async () => {
      began.push(name)
      await new Promise<void>((resolve) => {
        doors[name] = resolve
      })
      return name
    })
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

it('goes on after one who is not let in', async () => {
  const waves = new Waves(10)
  const refused = waves.join(() => Promise.reject(new Error('refused')))
  const other = waves.join(async () => 'in')
  await expect(refused).rejects.toThrow('refused')
  expect(await other).toBe('in')
  expect(await waves.join(async () => 'later')).toBe('later')
})

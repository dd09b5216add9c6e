import { expect, it, vi } from 'vitest'
import { FormSlots } from '../src/form-slots.ts'

it('a pod without a free slot refuses everybody’s forms until one ends', async () => {
  const onLimited = vi.fn()
  const slots = new FormSlots(2, onLimited)
  const ends = new Map<string, () => void>()
  const hold = (who: string) =>
    slots.hold(who, () => new Promise<string>((resolve) => ends.set(who, () => resolve(who))))
  const [ahmed, fatima] = [hold('ahmed'), hold('fatima')]
  await expect(hold('ahmed')).rejects.toMatchObject({ code: 'RATE_LIMITED' })
  await expect(hold('zainab')).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect(onLimited).toHaveBeenCalledOnce()
  ends.get('ahmed')?.()
  expect(await ahmed).toBe('ahmed')
  const zainab = hold('zainab')
  for (const who of ['fatima', 'zainab']) ends.get(who)?.()
  expect(await Promise.all([fatima, zainab])).toEqual(['fatima', 'zainab'])
})

import { expect, it } from 'vitest'
import { allDone } from '../src/all-done.ts'

it('waits for all even if one fails, and rejects with the first error', async () => {
  const last = Promise.withResolvers<number>()
  let ended = false
  const all = allDone([Promise.resolve(1), Promise.reject(new Error('first')), last.promise])
  const failed = expect(all.finally(() => (ended = true))).rejects.toThrow('first')
  await new Promise(setImmediate)
  expect(ended).toBe(false)
  last.reject(new Error('last'))
  await failed
  expect(await allDone([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2])
})

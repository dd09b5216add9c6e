import { expect, it } from 'vitest'
import { FirstRow } from '../src/first-row.ts'

it('goes back when a table’s ids start over, and stays there while it is empty', async () => {
  let row: number | undefined = 1_000_000
  let now = 0
  const first = new FirstRow(
    async () => row,
    () => now,
  )
  const look = () => {
    now += 10_000
    return first.id()
  }
  expect(await look()).toBe(999_000)
  first.took([1_000_000])
  row = undefined
  expect(await look()).toBe(999_000)
  // A backup was put back, or a failover lost what came after it.
  row = 5_000
  expect(await look()).toBe(4_000)
  first.took([5_000])
  row = undefined
  expect(await look()).toBe(4_000)
})

import { expect, it } from 'vitest'
import { WorkLoop } from '../src/work-loop.ts'

it('runs rounds immediately while there is more, otherwise after the pause, even after a failure, until stopped', async () => {
  const errors: unknown[] = []
  const answers = [true, false, new Error('away'), false]
  const began: number[] = []
  const { promise: all, resolve } = Promise.withResolvers<void>()
  const loop = new WorkLoop({
    idleMs: 20,
    failedMs: 60,
    onError: (error) => errors.push(error),
    round: async () => {
      began.push(performance.now())
      const answer = answers[began.length - 1]
      if (began.length === answers.length) resolve()
      if (answer instanceof Error) throw answer
      return answer === true
    },
  })
  loop.start()
  await all
  const pauses = began.slice(1).map((at, index) => at - (began[index] ?? 0))
  expect(pauses[1]).toBeGreaterThan(15)
  expect(pauses[2]).toBeGreaterThan(55)
  expect(errors).toEqual([answers[2]])
  await loop.stop()
  expect(loop.stopped).toBe(true)
})

it('stops when the current round has ended, and starts no other', async () => {
  let rounds = 0
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  const { promise: ended, resolve: end } = Promise.withResolvers<boolean>()
  const round = () => {
    rounds += 1
    begin()
    return ended
  }
  const loop = new WorkLoop({ idleMs: 0, onError: () => undefined, round })
  loop.start()
  await begun
  let stopped = false
  const stopping = loop.stop().then(() => {
    stopped = true
  })
  await new Promise(setImmediate)
  expect(stopped).toBe(false)
  end(true)
  await stopping
  expect(rounds).toBe(1)
})

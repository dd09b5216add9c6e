import { expect, it } from 'vitest'
import { createLogger } from '../src/logger.ts'
import { troubleLog } from '../src/trouble.ts'

function watched() {
  const lines: { level: number; msg: string; err: { message: string }; leftOut?: number }[] = []
  const destination = { write: (text: string) => void lines.push(JSON.parse(text)) }
  const time = { now: 0 }
  const logger = createLogger({ name: 'gateway', level: 'info', destination })
  return { lines, time, tell: troubleLog(logger, 'trouble', () => time.now) }
}

it('logs thousands of equal errors once, and their number with the next one', () => {
  const { lines, time, tell } = watched()
  for (let i = 0; i < 5_000; i++) tell(new Error('Command timed out'))
  expect(lines).toMatchObject([{ level: 40, msg: 'trouble', err: { message: 'Command timed out' } }])
  expect(lines[0]).not.toHaveProperty('leftOut')
  time.now = 4_999
  tell(new Error('Command timed out'))
  expect(lines).toHaveLength(1)
  time.now = 5_000
  tell(new Error('Command timed out'))
  expect(lines[1]).toMatchObject({ leftOut: 5_000 })
  time.now = 20_000
  tell(new Error('Command timed out'))
  expect(lines[2]).not.toHaveProperty('leftOut')
})

it('does not let one kind of error hide another', () => {
  const { lines, tell } = watched()
  const refused = Object.assign(new Error('no connection'), { code: 'ECONNREFUSED' })
  const reset = Object.assign(new Error('no connection'), { code: 'ECONNRESET' })
  for (const error of [refused, reset, refused, new TypeError('no connection'), 'no connection', reset]) tell(error)
  expect(lines).toHaveLength(4)
})

it('treats errors beyond a hundred kinds within that time as one kind', () => {
  const { lines, time, tell } = watched()
  for (let slot = 0; slot < 5_000; slot++) tell(new Error(`MOVED ${slot}`))
  expect(lines).toHaveLength(101)
  tell(new Error('MOVED 7'))
  expect(lines).toHaveLength(101)
  time.now = 5_000
  tell(new Error('Command timed out'))
  tell(new Error('MOVED 4711'))
  expect(lines).toHaveLength(103)
})

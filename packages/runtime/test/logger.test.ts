import { expect, it } from 'vitest'
import { createLogger } from '../src/index.ts'

function capture(write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = []
  write(createLogger({ name: 'test', level: 'info', destination: { write: (line) => lines.push(line) } }))
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

it('writes JSON lines with name and pid, at or above its level', () => {
  const lines = capture((logger) => {
    logger.debug('unseen')
    logger.info({ conversations: 3 }, 'seen')
  })
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatchObject({ level: 30, name: 'test', pid: process.pid, msg: 'seen', conversations: 3 })
})

it('redacts credentials and message content at several depths', () => {
  const text = JSON.stringify(
    capture((logger) => {
      logger.info({ token: 'SEEN', password: 'SEEN', auth: { secret: 'SEEN' } })
      logger.info({ req: { headers: { authorization: 'Bearer SEEN', host: 'kept' } } })
      logger.info({ event: { message: { content: 'SEEN' } }, batch: { items: [{ content: 'SEEN' }] } })
    }),
  )
  expect(text).not.toContain('SEEN')
  expect(text).toContain('kept')
})

it('logs an error without the parameters of its query', () => {
  const cause = Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (content)=(SEEN)' })
  const error = Object.assign(new Error('Failed query: insert into messages\nparams: SEEN,1', { cause }), {
    params: ['SEEN'],
  })
  const [line] = capture((logger) => logger.error({ err: error }, 'failed'))
  expect(JSON.stringify(line)).not.toContain('SEEN')
  expect(line).toMatchObject({ err: { type: 'Error', cause: { code: '23505', message: 'duplicate key' } } })
  expect(JSON.stringify(line)).toContain('logger.test.ts')
})

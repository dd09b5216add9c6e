import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { afterEach, expect, it } from 'vitest'

const children = new Set<ChildProcess>()
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

async function ended(stream: Readable | null): Promise<void> {
  if (stream) await finished(stream)
}

function launch(behaviour: string) {
  const child = fork(new URL('./fixtures/process.ts', import.meta.url), [behaviour], { silent: true })
  children.add(child)
  let output = ''
  let errors = ''
  child.stdout?.on('data', (data) => (output += data))
  child.stderr?.on('data', (data) => (errors += data))
  // Not 'close', which is never emitted once the IPC channel has been closed from this side.
  const closed = Promise.all([once(child, 'exit'), ended(child.stdout), ended(child.stderr)]).then(
    ([[code]]) => code as number | null,
  )
  const printed = async (text: string): Promise<void> => {
    while (!output.includes(text)) await once(child.stdout ?? child, 'data')
  }
  return { child, closed, printed, output: () => output, errors: () => errors, ready: once(child, 'message') }
}

it('notifies the parent when it is serving, and stops its parts in reverse order on SIGTERM', async () => {
  const { child, closed, ready, output } = launch('normal')
  expect((await ready)[0]).toEqual({ type: 'ready', port: null, adminPort: expect.any(Number) })
  child.kill('SIGTERM')
  expect(await closed).toBe(0)
  expect(output().indexOf('second stops')).toBeGreaterThan(0)
  expect(output().indexOf('first stops')).toBeGreaterThan(output().indexOf('second stops'))
  expect(output()).toContain('"aborted":true')
})

it('stops when its parent is gone', async () => {
  const { child, closed, ready, output } = launch('normal')
  await ready
  child.disconnect()
  expect(await closed).toBe(0)
  expect(output()).toContain('first stops')
})

it('stops the other parts when one fails to stop, and exits with 1', async () => {
  const { child, closed, ready, output } = launch('failed-stop')
  await ready
  child.kill('SIGINT')
  expect(await closed).toBe(1)
  expect(output()).toContain('cannot stop')
  expect(output()).toContain('first stops')
})

it('exits forcibly when the shutdown takes too long', async () => {
  const { child, closed, ready, output } = launch('stuck-stop')
  await ready
  child.kill('SIGTERM')
  expect(await closed).toBe(1)
  expect(output()).toContain('did not stop in time')
})

it('exits forcibly on another signal once the patience is over', async () => {
  const { child, closed, ready, printed, output } = launch('slow-stop')
  await ready
  child.kill('SIGINT')
  await printed('is stopping')
  child.kill('SIGINT')
  expect(await closed).toBe(1)
  expect(output()).toContain('another signal')
})

it.each(['throw', 'reject'])('logs an uncaught error (%s), stops its parts and exits with 1', async (how) => {
  const { child, closed, ready, output } = launch('normal')
  await ready
  child.send(how)
  expect(await closed).toBe(1)
  expect(output()).toContain('later')
  expect(output()).toContain('first stops')
})

it('exits after an uncaught error even if a part cannot be stopped', async () => {
  const { child, closed, ready } = launch('crash-stuck')
  await ready
  child.send('throw')
  expect(await closed).toBe(1)
})

it('exits with 1 when it fails to start', async () => {
  const { closed, output } = launch('failed-start')
  expect(await closed).toBe(1)
  expect(output()).toContain('no database')
})

it('prints one line and exits with 78 when its settings are invalid', async () => {
  const { closed, output, errors } = launch('bad-settings')
  expect(await closed).toBe(78)
  expect(errors()).toMatch(/^settings: JWT_SECRET is missing: [^\n]*\n$/)
  expect(output()).toBe('')
})

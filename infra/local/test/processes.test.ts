import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { type AppProcess, spawnApp } from '../src/processes.ts'
import { waitUntilGone } from './gone.ts'

const app = new URL('./fixtures/app.ts', import.meta.url)
const started: AppProcess[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.stop()))
})

async function start(behaviour: string, options: Partial<Parameters<typeof spawnApp>[0]> = {}) {
  const lines: string[] = []
  const env = { BEHAVIOUR: behaviour }
  const one = await spawnApp({ app, env, name: 'one', log: (line) => lines.push(line), ...options })
  started.push(one)
  return { one, lines }
}

test('an app that reports it is ready has its ports, pid and output', async () => {
  const { one, lines } = await start('serve')
  expect(await (await fetch(`http://127.0.0.1:${one.port}`)).text()).toBe(String(one.pid))
  expect(lines).toEqual(['serving'])
  await one.stop()
  expect(await one.exited).toEqual({ code: 0, signal: null })
  await one.stop()
})

test('an app that exits before it is ready is one error with its last lines', async () => {
  const error: Error = await start('refuse').then(
    () => new Error('it started'),
    (reason) => reason,
  )
  expect(error.name).toBe('AppStartError')
  expect(error.message).toContain('one exited before it was ready (exit code 78)')
  expect(error.message).toContain('reading settings')
  expect(error.message).toContain('JWT_SECRET is missing')
})

test('an app that never reports that it is ready is killed', async () => {
  await expect(start('silent', { readyTimeoutMs: 300 })).rejects.toThrow('was not ready within 300 ms')
})

test('a cancelled start stops at once', async () => {
  const abort = new AbortController()
  const starting = start('silent', { signal: abort.signal })
  abort.abort()
  await expect(starting).rejects.toThrow('one exited before it was ready (SIGKILL)')
})

test('an app that ignores SIGTERM is killed after the timeout', async () => {
  const { one } = await start('stubborn', { stopTimeoutMs: 200 })
  await one.stop()
  expect(await one.exited).toEqual({ code: null, signal: 'SIGKILL' })
})

test('an app does not inherit settings that it was not given', async () => {
  process.env.BEHAVIOUR = 'refuse'
  try {
    const { one } = await start('serve', { env: {} })
    expect(one.port).toBeGreaterThan(0)
  } finally {
    delete process.env.BEHAVIOUR
  }
})

async function startParent(behaviour: string) {
  const program = fileURLToPath(new URL('./fixtures/parent.ts', import.meta.url))
  const parent = spawn(process.execPath, [program], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, BEHAVIOUR: behaviour },
  })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  return { parent, group: -(parent.pid ?? 0), pids: JSON.parse(line.toString()) as number[] }
}

test.each(['serve', 'stubborn'])('pressing Ctrl-C twice in the terminal leaves no %s app', async (behaviour) => {
  const { parent, group, pids } = await startParent(behaviour)
  const exited = once(parent, 'exit')
  process.kill(group, 'SIGINT')
  process.kill(group, 'SIGINT')
  expect((await exited)[0]).toBe(0)
  await waitUntilGone(pids)
})

test('killing the parent stops its apps', async () => {
  const { parent, pids } = await startParent('serve')
  parent.kill('SIGKILL')
  await waitUntilGone(pids)
})

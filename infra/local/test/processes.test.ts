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

test('an app that says it is ready is there with its ports, its pid and its lines', async () => {
  const { one, lines } = await start('serve')
  expect(await (await fetch(`http://127.0.0.1:${one.port}`)).text()).toBe(String(one.pid))
  expect(lines).toEqual(['serving'])
  await one.stop()
  expect(await one.exited).toEqual({ code: 0, signal: null })
  await one.stop()
})

test('an app that ends before it serves is one error with its last lines', async () => {
  const error: Error = await start('refuse').then(
    () => new Error('it started'),
    (reason) => reason,
  )
  expect(error.name).toBe('AppStartError')
  expect(error.message).toContain('one exited before it was ready (exit code 78)')
  expect(error.message).toContain('reading settings')
  expect(error.message).toContain('JWT_SECRET is missing')
})

test('an app that never says that it is ready is given up and killed', async () => {
  await expect(start('silent', { readyTimeoutMs: 300 })).rejects.toThrow('was not ready within 300 ms')
})

test('a start that is no longer wanted is given up at once', async () => {
  const abort = new AbortController()
  const starting = start('silent', { signal: abort.signal })
  abort.abort()
  await expect(starting).rejects.toThrow('one exited before it was ready (SIGKILL)')
})

test('an app that ignores SIGTERM is killed when its time is up', async () => {
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

test.each(['serve', 'stubborn'])('two Ctrl-C in the terminal leave no %s app', async (behaviour) => {
  const { parent, group, pids } = await startParent(behaviour)
  const exited = once(parent, 'exit')
  process.kill(group, 'SIGINT')
  process.kill(group, 'SIGINT')
  expect((await exited)[0]).toBe(0)
  await waitUntilGone(pids)
})

test('a parent that is killed takes its apps with it', async () => {
  const { parent, pids } = await startParent('serve')
  parent.kill('SIGKILL')
  await waitUntilGone(pids)
})

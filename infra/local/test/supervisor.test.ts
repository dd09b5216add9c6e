import { afterEach, expect, test } from 'vitest'
import { spawnApp } from '../src/processes.ts'
import { type Child, type Supervised, supervise } from '../src/supervisor.ts'

const app = new URL('./fixtures/app.ts', import.meta.url)
const units: Supervised<Child>[] = []
afterEach(async () => {
  await Promise.all(units.splice(0).map((unit) => unit.stop()))
})

/** Collects the supervisor’s log lines. */
function listener() {
  const lines: string[] = []
  const waiting: { pattern: RegExp; resolve: (line: string) => void }[] = []
  return {
    lines,
    log: (line: string) => {
      lines.push(line)
      for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve(line)
    },
    line: (pattern: RegExp) => new Promise<string>((resolve) => waiting.push({ pattern, resolve })),
  }
}

/** A child without a process, which the test ends. */
function fakeChild(pid: number) {
  const { promise, resolve } = Promise.withResolvers<{ code: number | null; signal: NodeJS.Signals | null }>()
  return {
    pid,
    exited: promise,
    end: (code: number) => resolve({ code, signal: null }),
    stop: async () => resolve({ code: 0, signal: null }),
  }
}

test('a killed app is restarted, and a line with a hint says so', async () => {
  const { log, line } = listener()
  const start = () => spawnApp({ app, env: {}, name: 'gateway-1', log: () => undefined })
  const unit = await supervise({ name: 'gateway-1', start, hint: 'its log: x.log' }, { log, firstDelayMs: 10 })
  units.push(unit)
  const first = unit.current?.pid
  const [died, back] = [line(/was killed/), line(/is back/)]
  process.kill(first ?? 0, 'SIGKILL')
  expect(await died).toBe(`gateway-1 (pid ${first}) was killed by SIGKILL; restarting it in 10 ms (its log: x.log)`)
  await back
  expect(unit.current?.pid).not.toBe(first)
  expect(await (await fetch(`http://127.0.0.1:${unit.current?.port}`)).text()).toBe(String(unit.current?.pid))
})

test('the delay doubles with each consecutive death up to a limit', async () => {
  const { log, line, lines } = listener()
  const children = Array.from({ length: 6 }, (_, index) => fakeChild(index))
  let next = 0
  const unit = await supervise(
    { name: 'x', start: async () => children[next++] ?? fakeChild(99) },
    { log, firstDelayMs: 1, longestDelayMs: 4, steadyMs: 100_000 },
  )
  units.push(unit)
  for (const child of children.slice(0, 5)) {
    const back = line(new RegExp(`is back: pid ${child.pid + 1}$`))
    child.end(1)
    await back
  }
  const waits = lines.flatMap((text) => /restarting it in (\d+) ms/.exec(text)?.[1] ?? [])
  expect(waits).toEqual(['1', '2', '4', '4', '4'])
})

test('a steady run resets the delay', async () => {
  const { log, line, lines } = listener()
  const children = [fakeChild(0), fakeChild(1), fakeChild(2)]
  let next = 0
  const start = async () => children[next++] ?? fakeChild(99)
  units.push(await supervise({ name: 'x', start }, { log, firstDelayMs: 1, steadyMs: 0 }))
  for (const child of children.slice(0, 2)) {
    const back = line(/is back/)
    child.end(1)
    await back
  }
  expect(lines.filter((text) => text.includes('restarting it in 1 ms'))).toHaveLength(2)
})

test('a failed restart is retried; a failed first start is the caller’s error', async () => {
  const { log, line } = listener()
  const child = fakeChild(1)
  let tries = 0
  const start = async () => {
    tries++
    if (tries === 1) return child
    if (tries < 4) throw new Error('no room')
    return fakeChild(2)
  }
  units.push(await supervise({ name: 'x', start }, { log, firstDelayMs: 1 }))
  const [failed, back] = [line(/retrying: no room/), line(/is back: pid 2/)]
  child.end(1)
  await Promise.all([failed, back])
  expect(tries).toBe(4)
  await expect(supervise({ name: 'y', start: () => Promise.reject(new Error('never')) }, { log })).rejects.toThrow(
    'never',
  )
})

test('stopping during the delay before a restart starts nothing', async () => {
  const { log, line } = listener()
  const child = fakeChild(1)
  let starts = 0
  const start = async () => {
    starts++
    return child
  }
  const unit = await supervise({ name: 'x', start }, { log, firstDelayMs: 100_000, longestDelayMs: 100_000 })
  const died = line(/exited with code 3/)
  child.end(3)
  await died
  await unit.stop()
  await unit.stop()
  expect([starts, unit.current]).toEqual([1, undefined])
})

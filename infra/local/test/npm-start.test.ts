import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { repositoryRoot } from '../src/processes.ts'
import { waitUntilGone } from './gone.ts'

const START_BOUND_MS = 90_000

let home: string
const runs: Run[] = []
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'parley-start-'))
  // When this is root, Postgres runs as another user and needs access to its folder.
  await chmod(home, 0o755)
})
afterEach(async () => {
  for (const run of runs.splice(0)) {
    run.signal('SIGTERM')
    await run.exited
  }
  await waitUntilGone(await processesOf(home), 15_000)
  await rm(home, { recursive: true, force: true, maxRetries: 5 })
})

/** One `npm start` on any free port, in its own process group, as in a terminal. */
class Run {
  readonly npm: ChildProcess
  readonly exited: Promise<unknown>
  output = ''
  readonly #listeners = new Set<() => void>()

  constructor(args: string[] = []) {
    // Without the developer’s own settings: it would put the demo into the database at their DATABASE_URL.
    const { PATH, HOME, TMPDIR } = process.env
    this.npm = spawn('npm', ['start', '--', '--port', '0', ...args], {
      cwd: repositoryRoot(),
      env: { PATH, HOME, TMPDIR, PARLEY_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    for (const stream of [this.npm.stdout, this.npm.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.output += chunk
        for (const listener of this.#listeners) listener()
      })
    }
    this.exited = once(this.npm, 'close')
    runs.push(this)
  }

  /** Resolves to the first match in what has been or will be printed; fails if the run ends without one. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
    const look = () => {
      const match = pattern.exec(this.output)
      if (match) resolve(match)
    }
    const fail = (why: string) => reject(new Error(`${pattern} was not printed ${why}:\n${this.output}`))
    const timer = setTimeout(() => fail('in time'), START_BOUND_MS)
    this.#listeners.add(look)
    look()
    void this.exited.then(() => fail('before the end'))
    return promise.finally(() => {
      clearTimeout(timer)
      this.#listeners.delete(look)
    })
  }

  /** Signals the whole process group, as a terminal does on Ctrl-C. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-(this.npm.pid ?? 0), signal)
    } catch {
      // It has exited.
    }
  }
}

/** Returns all processes that belong to the folder, whose path is in their command line or environment. */
async function processesOf(folder: string): Promise<number[]> {
  const found: number[] = []
  for (const name of (await readdir('/proc').catch(() => [])).filter((one) => /^\d+$/.test(one))) {
    const texts = [`/proc/${name}/cmdline`, `/proc/${name}/environ`].map((file) =>
      readFile(file, 'utf8').catch(() => ''),
    )
    if ((await Promise.all(texts)).some((text) => text.includes(folder))) found.push(Number(name))
  }
  return found
}

async function conversationsOf(address: string, token: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}` }
  return (await fetch(`${address}/api/messages/conversations?limit=1`, { headers })).json()
}

async function whoAmI(address: string, token: string): Promise<unknown> {
  const answer = await fetch(`${address}/api/users/me`, { headers: { authorization: `Bearer ${token}` } })
  return { status: answer.status, body: await answer.json() }
}

test('npm start: serves with the printed token, restarts a killed gateway, and stops on a double Ctrl-C', async () => {
  const run = new Run()
  const [, address = ''] = await run.printed(/Address +(http:\S+)/)
  const [, token = ''] = await run.printed(/^TOKEN=(\S+)$/m)
  const ahmed = { status: 200, body: { success: true, data: { id: 'ahmed', fullName: 'Ahmed Hassan' } } }
  expect(await whoAmI(address, token)).toMatchObject(ahmed)

  // The first start has built the chat if necessary, and filled the empty database.
  expect(run.output).toMatch(/Web client ready in/)
  expect(run.output).toMatch(/Demo data +ready in .* 7 conversations, \d+ messages/)
  const page = await fetch(address)
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html;charset=utf-8'])
  expect(await conversationsOf(address, token)).toMatchObject({ data: [{ unreadCount: 2 }], meta: { total: 6 } })

  const second = new Run()
  await second.exited
  expect(second.output).toMatch(/already running here: pid \d+, http:\/\/localhost:\d+/)
  expect(second.output).toContain(address)

  const [, pid] = await run.printed(/gateway-1 +pid (\d+)/)
  process.kill(Number(pid), 'SIGKILL')
  await run.printed(/gateway-1 \(pid \d+\) was killed by SIGKILL/)
  const [, back] = await run.printed(/gateway-1 is back: pid (\d+)/)
  expect(back).not.toBe(pid)
  const handshake = await fetch(`${address}/socket.io/?EIO=4&transport=polling`)
  expect(handshake.status).toBe(200)

  const processes = await processesOf(home)
  const began = performance.now()
  run.signal('SIGINT')
  run.signal('SIGINT')
  await waitUntilGone(processes, 10_000)
  await run.exited
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(await processesOf(home)).toEqual([])
}, 180_000)

test.each(['npm', 'the process that runs the cluster'])(
  'SIGKILL of %s blocks nothing: the next npm start has the same data and secret',
  async (victim) => {
    const first = new Run(['--gateways', '1'])
    const [, token = ''] = await first.printed(/^TOKEN=(\S+)$/m)
    expect(first.output).toMatch(/Demo data +ready/)
    const lock: { pid: number } = JSON.parse(await readFile(join(home, 'run.lock'), 'utf8'))
    const before = await processesOf(home)
    if (victim === 'npm') first.npm.kill('SIGKILL')
    else process.kill(lock.pid, 'SIGKILL')

    // At once, while the killed run's processes are still exiting.
    const next = new Run(['--gateways', '1'])
    const [, address = ''] = await next.printed(/Address +(http:\S+)/)
    await next.printed(/^TOKEN=/m)
    expect(await whoAmI(address, token)).toMatchObject({ status: 200 })
    expect(await conversationsOf(address, token)).toMatchObject({ meta: { total: 6 } })
    await waitUntilGone(before, 30_000)
  },
  180_000,
)

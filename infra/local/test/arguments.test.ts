import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { parseArguments, UsageError } from '../src/arguments.ts'
import { repositoryRoot } from '../src/processes.ts'

const defaults = { gateways: 2, port: 4000, fresh: false, demo: true, help: false }

test.each([
  [[], {}, defaults],
  [['--gateways', '5'], {}, { ...defaults, gateways: 5 }],
  [['--gateways=1', '--fresh'], {}, { ...defaults, gateways: 1, fresh: true }],
  [[], { PORT: '8080' }, { ...defaults, port: 8080 }],
  [[], { PORT: '' }, defaults],
  [['--port', '5000'], { PORT: '8080' }, { ...defaults, port: 5000 }],
  [['--port', '0'], {}, { ...defaults, port: 0 }],
  [['--no-demo'], {}, { ...defaults, demo: false }],
  [['-h'], {}, { ...defaults, help: true }],
])('%j with %j', (argv, env, expected) => {
  expect(parseArguments(argv, env)).toEqual(expected)
})

test.each([
  [['--gateway', '3'], {}, "Unknown option '--gateway'"],
  [['three'], {}, "Unexpected argument 'three'"],
  [['--gateways'], {}, '--gateways'],
  [['--gateways', '0'], {}, '--gateways must be a whole number from 1 to 16, not "0"'],
  [['--gateways', '17'], {}, '--gateways must be a whole number from 1 to 16, not "17"'],
  [['--port', '70000'], {}, '--port must be a whole number from 0 to 65535, not "70000"'],
  [['--port', '4e3'], {}, '--port must be a whole number'],
  [[], { PORT: 'http' }, 'PORT must be a whole number from 0 to 65535, not "http"'],
])('%j with %j is refused', (argv, env, message) => {
  const parse = () => parseArguments(argv, env)
  expect(parse).toThrow(UsageError)
  expect(parse).toThrow(message)
})

const { scripts } = JSON.parse(await readFile(join(repositoryRoot(), 'package.json'), 'utf8'))
const commandOf = (name: string): string[] => scripts[name].split(' ').slice(1)
/** Nothing listens there: a command that did more than print its usage would fail. */
const NOWHERE = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' }
const run = (name: string, word: string) =>
  promisify(execFile)(process.execPath, [...commandOf(name), word], {
    cwd: repositoryRoot(),
    env: { ...process.env, ...NOWHERE },
  })

test.concurrent.each(['start', 'test', 'test:profiles', 'bench', 'chaos', 'search:rebuild', 'migrate'])(
  'npm run %s -- --help prints its usage, and does nothing else',
  async (name) => {
    const { stdout } = await run(name, '--help')
    expect(stdout).toMatch(new RegExp(`^(Usage: )?npm (run )?${name}\\b`))
  },
)

test.concurrent.each([
  ['test:profiles', 2],
  ['bench', 2],
  ['chaos', 2],
  ['migrate', 64],
])('npm run %s -- --nonsense is refused with the usage and without a stack', async (name, exitCode) => {
  const { code, stderr } = await run(name, '--nonsense').catch((error) => error)
  expect([code, stderr]).toEqual([exitCode, expect.stringMatching(new RegExp(`--nonsense[^]*npm run ${name}\\b`))])
  expect(stderr).not.toMatch(/^ +at /m)
})

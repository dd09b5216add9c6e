import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openRunFolder } from '../src/run-folder.ts'

it('a test run removes the folders of killed runs, but not those of running ones', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'parley-runs-'))
  onTestFinished(() => rm(parent, { recursive: true }))
  const other = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'])
  const ended = once(other, 'exit')
  const [killed, mine] = [await openRunFolder(parent, other.pid), await openRunFolder(parent)]
  await writeFile(join(killed.value, 'data'), '')
  await writeFile(join(parent, 'of somebody else'), '')
  const names = async () => (await readdir(parent)).map((name) => join(parent, name)).sort()
  const rest = join(parent, 'of somebody else')
  expect(await names()).toEqual([killed.value, mine.value, rest].sort())

  other.kill('SIGKILL')
  await ended
  const next = await openRunFolder(parent)
  expect(await names()).toEqual([mine.value, next.value, rest].sort())
  await Promise.all([mine.stop(), next.stop()])
  expect(await names()).toEqual([rest])
})

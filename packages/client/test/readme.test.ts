import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { User } from '@parley/protocol'
import { type Cluster, startCluster } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)

let cluster: Cluster
let folder: string
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1 })
  // Inside the package, so that the examples' imports resolve.
  folder = await mkdtemp(join(import.meta.dirname, '.readme-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await cluster?.[Symbol.asyncDispose]()
})

describe('README', () => {
  it('has examples that run, one after the other', async () => {
    const person = (id: string, fullName: string): User => ({ id, fullName, profilePhoto: null })
    await cluster.register(person('fatima', 'Fatima Rahman'), person('mei', 'Mei Lin'))
    const readme = await readFile(join(import.meta.dirname, '../README.md'), 'utf8')
    const examples = Array.from(readme.matchAll(/^```ts\n(.*?)^```/gms), (match) => match[1] ?? '')
    expect(examples.length).toBe(9)
    const code = examples.join('\n').replaceAll('http://localhost:4000', cluster.url)
    await writeFile(join(folder, 'examples.mjs'), code)
    const { stdout } = await run(process.execPath, ['examples.mjs'], { cwd: folder, timeout: 15_000 })
    expect(stdout).toContain('connection: live')
    expect(stdout).toContain('Ahmed Hassan: Hello!')
    expect(stdout).toContain('VALIDATION_FAILED')
    expect(stdout).toContain('100 %')
    expect(stdout).toContain('Ahmed Hassan sent now or after the next start')
  })
})

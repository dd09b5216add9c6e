import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { initialSize } from '../initial-size.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'parley-size-'))
  // Incompressible text: some 6 KB imported statically, some 6 KB lazily.
  const noise = (seed: number) =>
    Array.from({ length: 1_000 }, (_, index) =>
      ((index * 2_654_435_761 + seed * 40_503) % 4_294_967_291).toString(36),
    ).join('')
  await Promise.all([
    writeFile(join(root, 'index.html'), '<script type="module" src="./main.js"></script>'),
    writeFile(join(root, 'main.js'), 'import { now } from "./now.js"; console.log(now); import("./later.js")'),
    writeFile(join(root, 'now.js'), `export const now = ${JSON.stringify(noise(1))}`),
    writeFile(join(root, 'later.js'), `export const later = ${JSON.stringify(noise(2))}; console.log(later)`),
  ])
})
afterAll(() => rm(root, { recursive: true, force: true }))

function buildWithin(bytes: number) {
  return build({ root, configFile: false, logLevel: 'silent', plugins: [initialSize(bytes)], build: { write: true } })
}

test('a build with too much initial JavaScript fails and reports its size', async () => {
  await expect(buildWithin(2 * 1024)).rejects.toThrow(
    /Initial JavaScript: \d+\.\d KB of 2\.0 KB gzipped[\s\S]*Too large/,
  )
})

test('lazily loaded chunks do not count', async () => {
  await expect(buildWithin(8 * 1024)).resolves.toBeDefined()
})

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { repositoryRoot } from './processes.ts'

/** What a build is made of: files and folders under the repository's root. Tests are no part of it. */
const SOURCES = [
  'apps/web/index.html',
  'apps/web/public',
  'apps/web/src',
  'packages/client/src',
  'packages/protocol/src',
  'pnpm-lock.yaml',
  'tsconfig.base.json',
]
/** The build's own programs lie beside package.json. */
const WEB = 'apps/web'
/** In the built folder: which sources it was made of. A dot file, which is never served. */
const STAMP = '.sources'
const BUILD_BOUND_MS = 3 * 60_000
const LAST_OUTPUT = 4_000

export interface WebClientBuild {
  /** The folder to serve. */
  directory: string
  /** Whether it was built just now, or was there already. */
  built: boolean
}

/**
 * The built web client. Built when there is none, or when one of its sources has changed: what they hold is compared, so
 * that neither a checkout nor a touched file costs a build.
 *
 * @param signal aborting it ends a build that is under way
 * @throws when it cannot be built, with the last lines that the build said
 */
export async function ensureWebClient(signal?: AbortSignal): Promise<WebClientBuild> {
  const root = repositoryRoot()
  const directory = join(root, WEB, 'dist')
  const wanted = await sourcesHash(root)
  const stamp = await readFile(join(directory, STAMP), 'utf8').catch(() => '')
  if (stamp === wanted) return { directory, built: false }

  // Built aside and then put in place whole: two that build at once, or one that is cut off, leave no mixture.
  const aside = join(root, '.parley', `web-build-${process.pid}`)
  try {
    await build(root, aside, signal)
    await writeFile(join(aside, STAMP), wanted)
    await replaceFolder(directory, aside)
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
  return { directory, built: true }
}

async function replaceFolder(directory: string, next: string): Promise<void> {
  const old = `${next}-old`
  await rename(directory, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  await rename(next, directory)
  await rm(old, { recursive: true, force: true })
}

async function build(root: string, outDir: string, signal: AbortSignal | undefined): Promise<void> {
  const vite = join(root, WEB, 'node_modules/vite/bin/vite.js')
  if (!existsSync(vite)) throw new Error('Vite is not installed: run npm start or npm test again, which install it.')
  await mkdir(outDir, { recursive: true })
  const { NODE_ENV: _, ...env } = process.env
  const child = spawn(process.execPath, [vite, 'build', '--outDir', outDir, '--emptyOutDir'], {
    cwd: join(root, WEB),
    env: { ...env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: BUILD_BOUND_MS,
    ...(signal && { signal }),
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-LAST_OUTPUT)
    })
  }
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, by) => {
      if (code === 0) resolve()
      else
        reject(
          new Error(
            `The web client could not be built (${by ?? `exit code ${code}`}):\n${stripVTControlCharacters(output).trim()}`,
          ),
        )
    })
  })
}

/** A hash over the names and the contents of all sources. */
async function sourcesHash(root: string): Promise<string> {
  const beside = await readdir(join(root, WEB), { withFileTypes: true })
  const programs = beside.filter((entry) => entry.isFile() && /\.(ts|json)$/.test(entry.name))
  const files = [
    ...programs.map(({ name }) => join(root, WEB, name)),
    ...(await Promise.all(SOURCES.map((source) => filesUnder(join(root, source))))).flat(),
  ].sort()
  const contents = await Promise.all(files.map((file) => readFile(file)))
  const hash = createHash('sha256')
  for (const [index, file] of files.entries()) {
    const content = contents[index] ?? Buffer.alloc(0)
    hash.update(`${relative(root, file)}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

async function filesUnder(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true, recursive: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTDIR') return undefined
      throw error
    },
  )
  if (entries === undefined) return [path]
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

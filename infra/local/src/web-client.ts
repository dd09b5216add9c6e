import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { repositoryRoot } from './processes.ts'

/** The sources of a build: files and folders relative to the repository's root, without tests. */
const SOURCES = [
  'apps/web/index.html',
  'apps/web/public',
  'apps/web/src',
  'packages/client/src',
  'packages/protocol/src',
  'pnpm-lock.yaml',
  'tsconfig.base.json',
]
/** The build's own programs are next to package.json. */
const WEB = 'apps/web'
/** File in the built folder with a hash of its sources. Dot files are never served. */
const STAMP = '.sources'
const BUILD_BOUND_MS = 3 * 60_000
const LAST_OUTPUT = 4_000

export interface WebClientBuild {
  /** The folder to serve. */
  directory: string
  /** Whether it was built just now; false if it was already up to date. */
  built: boolean
}

/**
 * Returns the built web client, and builds it if there is none or its sources have changed. Sources are compared by content, so
 * a checkout or a touched file alone does not cause a build.
 * @param signal aborting it stops a build that is under way
 * @throws when it cannot be built, with the build's last lines of output
 */
export async function ensureWebClient(signal?: AbortSignal): Promise<WebClientBuild> {
  const root = repositoryRoot()
  const directory = join(root, WEB, 'dist')
  const wanted = await sourcesHash(root)
  const stamp = await readFile(join(directory, STAMP), 'utf8').catch(() => '')
  if (stamp === wanted) return { directory, built: false }

  // Built elsewhere and then moved into place, so that concurrent or interrupted builds leave no mixture.
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
  if (!existsSync(vite)) throw new Error('Vite is not installed. Run npm start or npm test, which install it.')
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
            `Could not build the web client (${by ?? `exit code ${code}`}):\n${stripVTControlCharacters(output).trim()}`,
          ),
        )
    })
  })
}

/** Returns a hash of the names and contents of all sources. */
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

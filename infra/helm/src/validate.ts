import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Manifest } from './helm.ts'

const HERE = fileURLToPath(new URL('..', import.meta.url))
/** Packages with the models of third-party API groups; all other groups are Kubernetes' own. */
const PACKAGES: Readonly<Record<string, string>> = {
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
}

interface Model {
  validate(): void
}

/** Returns the module with the model of a manifest's kind. */
function modelOf({ apiVersion, kind }: Manifest): string {
  const [group = ''] = apiVersion.split('/')
  return `${PACKAGES[group] ?? 'kubernetes-models'}/${apiVersion}/${kind}`
}

/**
 * Checks manifests against the OpenAPI schemas of Kubernetes and of the custom resources: types, required fields, formats.
 * @throws for the first invalid manifest
 */
export async function validate(manifests: readonly Manifest[]): Promise<void> {
  for (const manifest of manifests) {
    const found: { [kind: string]: new (data: unknown) => Model } = await import(modelOf(manifest))
    const Kind = found[manifest.kind]
    if (Kind === undefined) throw new Error(`no schema for ${manifest.apiVersion} ${manifest.kind}`)
    try {
      new Kind(manifest).validate()
    } catch (error) {
      throw new Error(`${manifest.kind} ${manifest.metadata.name}: ${error instanceof Error ? error.message : error}`)
    }
  }
}

/**
 * Finds unknown fields, which the schemas allow but a cluster would drop or refuse. The manifests are written as TypeScript
 * literals of the models' types and compiled.
 * @returns the compiler's errors; empty if there are none
 */
export async function unknownFields(manifests: readonly Manifest[]): Promise<string> {
  const folder = await mkdtemp(join(HERE, '.rendered-'))
  try {
    const lines = manifests.flatMap((manifest, index) => [
      `import type { I${manifest.kind} as Kind${index} } from '${modelOf(manifest)}'`,
      `export const manifest${index}: Kind${index} = ${JSON.stringify(manifest, null, 1)}`,
    ])
    const file = join(folder, 'manifests.ts')
    await writeFile(file, lines.join('\n'))
    const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--types',
      '',
    ]
    return await new Promise((resolve) => {
      execFile(process.execPath, [compiler, ...options, '--ignoreConfig', file], { timeout: 60_000 }, (error, stdout) =>
        resolve(error ? stdout || error.message : ''),
      )
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

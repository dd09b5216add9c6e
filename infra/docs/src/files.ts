import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { asyncApiDocument, errorsPage, openApiDocument } from '@parley/docs'
import { VERSION } from '@parley/runtime'
import { configPage } from './config-page.ts'

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** Returns the up-to-date content of the generated files, formatted by Biome, by path relative to the root. */
export async function generatedFiles(): Promise<Map<string, string>> {
  const raw: Readonly<Record<string, string>> = {
    'docs/openapi.json': JSON.stringify(openApiDocument({ version: VERSION })),
    'docs/asyncapi.json': JSON.stringify(asyncApiDocument({ version: VERSION })),
    'docs/ERRORS.md': errorsPage(),
    'docs/CONFIG.md': configPage(),
  }
  const formatted = Object.entries(raw).map(async ([path, content]) => [path, await format(path, content)] as const)
  return new Map(await Promise.all(formatted))
}

/**
 * Formats a file's content with Biome.
 * @throws when Biome fails
 */
async function format(path: string, content: string): Promise<string> {
  const biome = fileURLToPath(new URL('node_modules/@biomejs/biome/bin/biome', `file://${ROOT}`))
  const child = spawn(process.execPath, [biome, 'format', `--stdin-file-path=${path}`], {
    cwd: ROOT,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  child.stdin.end(content)
  const output = await text(child.stdout)
  const code = await exited
  if (code !== 0) throw new Error(`${path} could not be formatted (exit code ${code})`)
  return output
}

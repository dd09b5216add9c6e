import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** The parts of a bundle's chunk that are used here. */
export interface SizedChunk {
  fileName: string
  code: string
  isEntry: boolean
  imports: readonly string[]
}

/** Returns the entry chunks and their static imports, each with its gzipped size in bytes. */
export function initialChunks(chunks: readonly SizedChunk[]): { fileName: string; bytes: number }[] {
  const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]))
  const reached = new Set<string>()
  const visit = (fileName: string) => {
    const chunk = byName.get(fileName)
    if (chunk === undefined || reached.has(fileName)) return
    reached.add(fileName)
    for (const imported of chunk.imports) visit(imported)
  }
  for (const chunk of chunks) if (chunk.isEntry) visit(chunk.fileName)
  return [...reached].map((fileName) => ({
    fileName,
    bytes: gzipSync(byName.get(fileName)?.code ?? '', { level: 9 }).length,
  }))
}

/** Reports the gzipped size of the initial JavaScript, and fails the build if it exceeds `limit` bytes. */
export function initialSize(limit: number): Plugin {
  return {
    name: 'parley:initial-size',
    apply: 'build',
    // After minification.
    writeBundle(_, bundle) {
      const chunks = Object.values(bundle).flatMap((output) => (output.type === 'chunk' ? [output] : []))
      const initial = initialChunks(chunks)
      const total = initial.reduce((sum, { bytes }) => sum + bytes, 0)
      const parts = initial.map(({ fileName, bytes }) => `  ${fileName} ${kilobytes(bytes)}`).join('\n')
      const line = `Initial JavaScript: ${kilobytes(total)} of ${kilobytes(limit)} gzipped\n${parts}`
      if (total > limit) this.error(`${line}\nToo large: load some of it lazily.`)
      this.info(line)
    },
  }
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KB`
}

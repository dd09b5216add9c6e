import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { Plugin } from 'vite'

/** Text files; pictures and fonts are already compressed. */
const TEXT = /\.(css|html|js|json|map|mjs|svg|txt|webmanifest)$/
/** Smaller files would not save a packet. Bytes. */
const LEAST = 1_024

/** Writes `NAME.br` and `NAME.gz` next to each text file, for servers that can serve precompressed files. */
export function precompress(): Plugin {
  let folder = ''
  return {
    name: 'parley:precompress',
    apply: 'build',
    configResolved: ({ root, build }) => {
      folder = resolve(root, build.outDir)
    },
    // By now all files have been written, including those from public/.
    async closeBundle() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true })
      const texts = entries.filter((entry) => entry.isFile() && TEXT.test(entry.name))
      await Promise.all(texts.map((entry) => compress(join(entry.parentPath, entry.name))))
    },
  }
}

async function compress(file: string): Promise<void> {
  const content = await readFile(file)
  if (content.length < LEAST) return
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length }
  const [brotli, gzipped] = await Promise.all([
    promisify(brotliCompress)(content, { params }),
    promisify(gzip)(content, { level: 9 }),
  ])
  await Promise.all([writeFile(`${file}.br`, brotli), writeFile(`${file}.gz`, gzipped)])
}

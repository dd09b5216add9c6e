/** `npm run docs`: regenerates the generated files in docs/. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generatedFiles, ROOT } from './files.ts'

for (const [path, content] of await generatedFiles()) {
  await writeFile(join(ROOT, path), content)
  console.log(path)
}

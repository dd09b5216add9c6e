import { writeFile } from 'node:fs/promises'
import { generatedFiles } from './files.ts'

/* `npm run grafana`: regenerates the dashboards and alert rules. A test checks that they are up to date. */

for (const [path, content] of generatedFiles()) await writeFile(new URL(`../${path}`, import.meta.url), content)

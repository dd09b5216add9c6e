import { writeFile } from 'node:fs/promises'
import { generatedFiles } from './files.ts'

/* `npm run grafana`: writes the dashboards and alert rules anew. A test checks that they are current. */

for (const [path, content] of generatedFiles()) await writeFile(new URL(`../${path}`, import.meta.url), content)

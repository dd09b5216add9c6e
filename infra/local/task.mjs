/** `node infra/local/task.mjs PROGRAM [ARGUMENT ...]`: installs what is missing, then runs one of the repository's programs. */
import { pathToFileURL } from 'node:url'
import { ensureRuntime } from './bootstrap.mjs'
import { runUnder } from './run.mjs'

const [program, ...args] = process.argv.slice(2)
if (program === undefined) throw new Error('Usage: node infra/local/task.mjs PROGRAM [ARGUMENT ...]')
await runUnder(pathToFileURL(program), args, () => ensureRuntime({ log: (line) => console.error(line) }))

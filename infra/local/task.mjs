/** `node infra/local/task.mjs PROGRAM [ARGUMENT ...]`: runs one of the repository's programs; what it needs is set up first. */
import { pathToFileURL } from 'node:url'
import { ensureRuntime } from './bootstrap.mjs'
import { runUnder } from './run.mjs'

const [program, ...args] = process.argv.slice(2)
if (program === undefined) throw new Error('which program?')
await runUnder(pathToFileURL(program), args, () => ensureRuntime({ log: (line) => console.error(line) }))

/** `node infra/local/pnpm.mjs ARGUMENT ...`: runs the pinned pnpm, under a Node that can run TypeScript sources directly. */
import { pathToFileURL } from 'node:url'
import { ensureRuntime, pnpmEntry } from './bootstrap.mjs'
import { runUnder } from './run.mjs'

await runUnder(pathToFileURL(pnpmEntry()), process.argv.slice(2), () =>
  ensureRuntime({ log: (line) => console.error(line) }),
)

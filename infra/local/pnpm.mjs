/** `node infra/local/pnpm.mjs ARGUMENT ...`: the pinned pnpm, under a Node that runs TypeScript as it stands. */
import { pathToFileURL } from 'node:url'
import { ensureRuntime, pnpmEntry } from './bootstrap.mjs'
import { runUnder } from './run.mjs'

await runUnder(pathToFileURL(pnpmEntry()), process.argv.slice(2), () =>
  ensureRuntime({ log: (line) => console.error(line) }),
)

/** `npm start`: installs what is missing, then runs the cluster (src/main.ts). */
import { ensureRuntime } from './bootstrap.mjs'
import { runUnder } from './run.mjs'

await runUnder(new URL('./src/main.ts', import.meta.url), process.argv.slice(2), () =>
  ensureRuntime({ log: (line) => console.log(line) }),
)

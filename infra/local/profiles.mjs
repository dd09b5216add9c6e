/**
 * `npm run test:profiles [PROFILE ...]`: the cluster's tests on other services than the usual: Redis Cluster, PgBouncer in
 * transaction mode, TLS. Each is a run of Vitest with TEST_PROFILE (packages/testkit/src/profiles.ts).
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensureRuntime } from './bootstrap.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FOLDERS = [
  ...['apps/gateway', 'apps/api', 'apps/worker', 'packages/client', 'packages/messaging', 'packages/fanout'],
  ...['packages/presence', 'packages/queue'],
]
/** They start the services of a profile by themselves, and are in `npm test`. */
const OF_THEIR_OWN = [
  'apps/worker/test/profiles.test.ts',
  ...['cluster', 'cluster-gaps'].map((name) => `packages/fanout/test/${name}.test.ts`),
]
/** What a profile leaves out, and why. */
const LEFT_OUT = {
  // A TCP proxy stands before the one Redis; a cluster's nodes tell clients their own addresses. cluster.test.ts has the place of
  // the first.
  'redis-cluster': [
    ...['restored', 'resent-ping', 'publishing'].map((name) => `packages/fanout/test/${name}.test.ts`),
    ...['packages/presence/test/lost-answers.test.ts'],
    ...['apps/gateway/test/cut-off.test.ts', 'apps/gateway/test/slow-redis.test.ts'],
  ],
  pgbouncer: [],
  // It reads the commands on their way.
  tls: ['packages/fanout/test/resent-ping.test.ts'],
}

const USAGE = `npm run test:profiles -- [PROFILE ...]

Runs the tests of the cluster on other services than the usual ones; without a name, on all of these one after the other:
${Object.keys(LEFT_OUT).join(', ')}`

const chosen = process.argv.slice(2)
if (chosen.includes('--help')) {
  console.log(USAGE)
  process.exit()
}
const unknown = chosen.filter((name) => !Object.hasOwn(LEFT_OUT, name))
if (unknown.length > 0) {
  console.error(`There is no profile ${unknown.join(', ')}.\n\n${USAGE}`)
  process.exit(2)
}
const profiles = chosen.length > 0 ? chosen : Object.keys(LEFT_OUT)
const { node, env } = await ensureRuntime({ log: (line) => console.log(line) })
let failed = 0
for (const profile of profiles) {
  const left = [...OF_THEIR_OWN, ...LEFT_OUT[profile]].flatMap((file) => ['--exclude', file])
  const began = Date.now()
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...left, ...FOLDERS]
  const code = await new Promise((resolve) => {
    const child = spawn(node, args, { cwd: ROOT, env: { ...env, TEST_PROFILE: profile }, stdio: 'inherit' })
    child.once('error', () => resolve(1))
    child.once('close', resolve)
  })
  if (code !== 0) failed++
  console.log(`${profile}: ${code === 0 ? 'passed' : 'failed'} (${((Date.now() - began) / 1000).toFixed(0)} s)`)
}
process.exitCode = failed === 0 ? 0 : 1

/**
 * `npm run test:profiles [PROFILE ...]`: runs the cluster's tests on other services than usual: Redis Cluster, PgBouncer in
 * transaction mode, TLS. Each profile is one Vitest run with TEST_PROFILE (packages/testkit/src/profiles.ts).
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ensureRuntime } from './bootstrap.mjs'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const FOLDERS = [
  ...['apps/gateway', 'apps/api', 'apps/worker', 'packages/client', 'packages/messaging', 'packages/fanout'],
  ...['packages/presence', 'packages/queue'],
]
/** Tests that start a profile's services themselves; they are part of `npm test`. */
const SELF_CONTAINED = [
  'apps/worker/test/profiles.test.ts',
  ...['cluster', 'cluster-gaps'].map((name) => `packages/fanout/test/${name}.test.ts`),
]
/** The tests that each profile skips, and why. */
const LEFT_OUT = {
  // These put a TCP proxy in front of a single Redis, but a cluster's nodes tell clients their own addresses. cluster.test.ts
  // covers the first of them.
  'redis-cluster': [
    ...['restored', 'resent-ping', 'publishing'].map((name) => `packages/fanout/test/${name}.test.ts`),
    ...['packages/presence/test/lost-answers.test.ts'],
    ...['apps/gateway/test/cut-off.test.ts', 'apps/gateway/test/slow-redis.test.ts'],
  ],
  // A pooler takes no settings from its clients.
  pgbouncer: ['packages/messaging/test/session-settings.test.ts'],
  // It reads commands off the wire.
  tls: ['packages/fanout/test/resent-ping.test.ts'],
}

const USAGE = `npm run test:profiles -- [PROFILE ...]

Runs the cluster's tests on other services than usual. Without a name, runs all of these profiles one after the other:
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
  const left = [...SELF_CONTAINED, ...LEFT_OUT[profile]].flatMap((file) => ['--exclude', file])
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

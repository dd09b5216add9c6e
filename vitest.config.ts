import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{apps,packages,infra}/*/test/**/*.test.ts', 'apps/web/e2e/*.test.ts'],
    globalSetup: ['packages/testkit/src/global-setup.ts'],
    setupFiles: ['packages/testkit/src/setup.ts'],
    pool: 'forks',
    // Each file may run a cluster of five processes of its own.
    maxWorkers: 2,
    testTimeout: 20_000,
    // As long as other waits of tests; one second is little on a busy machine.
    expect: { poll: { timeout: 10_000 } },
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
})

import { defineConfig } from 'vitest/config'

/** `npm run test:compose`: one cluster in containers, one test after the other. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['cluster/*.test.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    // The images are built in here.
    hookTimeout: 660_000,
    teardownTimeout: 60_000,
  },
})

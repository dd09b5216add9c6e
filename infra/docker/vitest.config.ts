import { defineConfig } from 'vitest/config'

/** Configuration of `npm run test:compose`: one cluster in containers, one test after the other. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['cluster/*.test.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    // Includes building the images.
    hookTimeout: 660_000,
    teardownTimeout: 60_000,
  },
})

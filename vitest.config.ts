import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take longest, those first: begun last they would run alone, the second worker idle. */
const LONGEST = [
  'apps/web/e2e/browser.test.ts',
  'apps/worker/test/push-crash.test.ts',
  'packages/chaos/test/short.test.ts',
  'apps/worker/test/push-delivery.test.ts',
  'apps/worker/test/profiles.test.ts',
  'infra/local/test/npm-start.test.ts',
]

/** Vitest's own order, which without a cache of durations goes by the files' sizes, after {@link LONGEST}. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.findIndex((path) => moduleId.endsWith(path))
      return place === -1 ? LONGEST.length : place
    }
    return (await super.sort(files)).toSorted((a, b) => placeOf(a) - placeOf(b))
  }
}

export default defineConfig({
  test: {
    include: ['{apps,packages,infra}/*/test/**/*.test.ts', 'apps/web/e2e/*.test.ts'],
    globalSetup: ['packages/testkit/src/global-setup.ts'],
    setupFiles: ['packages/testkit/src/setup.ts'],
    pool: 'forks',
    // Each file may run a cluster of five processes of its own.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // A watchdog, no bound of what is tested: on a machine with a load of 30 the start of a cluster alone takes 20 s.
    testTimeout: 120_000,
    // As long as other waits of tests; one second is little on a busy machine.
    expect: { poll: { timeout: 10_000 } },
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
})

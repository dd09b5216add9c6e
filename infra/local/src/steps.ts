import type { Log } from './services/keep.ts'

const PROGRESS_MS = 5_000

/**
 * Runs one step of the start and prints a line with its name, the time it took, and `detail` of the result. A long step prints
 * its progress every few seconds.
 */
export async function step<T>(
  print: Log,
  title: string,
  run: () => Promise<T>,
  detail: (result: T) => string = () => '',
): Promise<T> {
  const began = performance.now()
  const took = () => `${((performance.now() - began) / 1000).toFixed(1)} s`
  const progress = setInterval(() => print(`  ${title} ... ${took()}`), PROGRESS_MS)
  try {
    const result = await run()
    print(`${title.padEnd(10)} ready in ${took()}${detail(result) && `  ${detail(result)}`}`)
    return result
  } finally {
    clearInterval(progress)
  }
}

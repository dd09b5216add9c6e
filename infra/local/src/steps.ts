import type { Log } from './services/keep.ts'

const PROGRESS_MS = 5_000

/**
 * Runs one step of the start and prints one line for it: its name, the time it took, and what `detail` says of the result.
 * A step that takes long says so every few seconds.
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

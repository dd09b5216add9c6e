/**
 * Resolves to the results of all promises. If one rejects, this rejects with the first error, but, unlike `Promise.all`, only
 * once all have settled: nothing keeps running unnoticed.
 */
export async function allDone<T>(works: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(works)
  return Promise.all(works)
}

/**
 * What all of `works` come to. Where one fails this rejects as the first of them did, but, unlike `Promise.all`, only when all have
 * ended: nothing goes on behind the back of whoever waits.
 */
export async function allDone<T>(works: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(works)
  return Promise.all(works)
}

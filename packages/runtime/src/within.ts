/** Resolves to the result of `work`, or to that of `late` if it takes longer than `ms`; its later outcome is ignored. */
export async function within<T, L>(ms: number, work: Promise<T>, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  return Promise.race([work, bound.then(late)]).finally(() => clearTimeout(timer))
}

/** Returns a `late` for {@link within} that throws. */
export function noAnswer(what: string, ms: number): () => never {
  return () => {
    throw new Error(`${what} did not answer within ${ms} ms`)
  }
}

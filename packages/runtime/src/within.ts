/** What `work` comes to, or what `late` says once it has taken longer than `ms`: nobody waits for what comes after. */
export async function within<T, L>(ms: number, work: Promise<T>, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined
  const bound = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  return Promise.race([work, bound.then(late)]).finally(() => clearTimeout(timer))
}

/** For those to whom no answer in time is an error. */
export function noAnswer(what: string, ms: number): () => never {
  return () => {
    throw new Error(`${what} did not answer within ${ms} ms`)
  }
}

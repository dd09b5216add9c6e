/** Tells the first of what comes within `ms`, which stands for the rest: trouble with a service comes by the thousand. */
export function atMostEvery<Args extends unknown[]>(
  ms: number,
  tell: (...args: Args) => void,
): (...args: Args) => void {
  let last = Number.NEGATIVE_INFINITY
  return (...args) => {
    if (performance.now() - last < ms) return
    last = performance.now()
    tell(...args)
  }
}

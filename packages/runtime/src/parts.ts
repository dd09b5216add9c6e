/**
 * Splits items, in order, into parts with a total weight of at most `max` (by default, a number of items). An item that weighs
 * more than that by itself forms its own part.
 */
export function* partsOf<T>(items: Iterable<T>, max: number, weightOf: (item: T) => number = () => 1): Generator<T[]> {
  let part: T[] = []
  let weight = 0
  for (const item of items) {
    const more = weightOf(item)
    if (part.length > 0 && weight + more > max) {
      yield part
      part = []
      weight = 0
    }
    part.push(item)
    weight += more
  }
  if (part.length > 0) yield part
}

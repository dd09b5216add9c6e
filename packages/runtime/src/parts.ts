/**
 * Items in their order, in parts of `max` at most: so many items, or so much weight between them. One that weighs more by
 * itself is a part of its own.
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

/** The unit of memory that uploads take. */
export const SLAB_BYTES = 1024 ** 2
/** How many free slabs are kept for reuse. */
const SPARE_SLABS = 20
/** How many uploads of this process may fill or send a part of more than one slab at the same time. */
const GROWING_PARTS = 3
/**
 * How long an upload waits for its turn, in milliseconds. With a store that accepts 30 MB/s, ten uploads wait at most 0.8 s.
 * Longer waits mean that the uploads ahead have slow clients, which should not hold up others.
 */
const WAIT_MS = 1_000

const spare: Buffer[] = []
let growing = 0
const waiting = new Set<() => void>()

/** Returns memory for another mebibyte of a file. */
export function takeSlab(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
}

/** Returns slabs to the pool. @param reusable false if a failed request may still be reading them: the GC then frees them */
export function giveSlabs(slabs: readonly Buffer[], reusable: boolean): void {
  for (const slab of slabs) if (reusable && spare.length < SPARE_SLABS) spare.push(slab)
}

/**
 * Waits for the turn to let a part grow beyond its first slab. One turn covers the whole part: uploads that waited for each slab
 * would all hold some and wait for more, at a quarter of the speed.
 */
export async function beginGrowing(): Promise<void> {
  if (growing >= GROWING_PARTS) {
    await new Promise<void>((resolve) => {
      const go = () => {
        clearTimeout(timer)
        waiting.delete(go)
        resolve()
      }
      const timer = setTimeout(go, WAIT_MS)
      waiting.add(go)
    })
  }
  growing++
}

/** Ends the turn, once the part was sent or dropped; the next upload has its turn. */
export function endGrowing(): void {
  growing--
  const [next] = waiting
  if (growing < GROWING_PARTS) next?.()
}

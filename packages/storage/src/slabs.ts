/** The unit in which uploads take memory. */
export const SLAB_BYTES = 1024 ** 2
/** Slabs that are kept for the next upload. */
const SPARE_SLABS = 20
/** Uploads of this process that fill a part of more than a slab at the same time, or send it. */
const GROWING_PARTS = 3
/**
 * How long an upload waits for its turn, in milliseconds. A store that takes 30 MB/s has ten uploads wait 0.8 s at most;
 * past that the clients of those who have their turn may be slow, and slow ones are not to stop anybody.
 */
const WAIT_MS = 1_000

const spare: Buffer[] = []
let growing = 0
const waiting = new Set<() => void>()

/** Memory for a mebibyte more of a file. */
export function takeSlab(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
}

/** @param reusable false where a request that failed may still be reading from them: then they are left to the collector */
export function giveSlabs(slabs: readonly Buffer[], reusable: boolean): void {
  for (const slab of slabs) if (reusable && spare.length < SPARE_SLABS) spare.push(slab)
}

/**
 * The turn to let a part grow past its first slab. It is for the whole part: uploads that wait for each slab by itself would
 * each hold some and all wait for more, at a quarter of the speed.
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

/** The part has been sent, or given up: the next one has its turn. */
export function endGrowing(): void {
  growing--
  const [next] = waiting
  if (growing < GROWING_PARTS) next?.()
}

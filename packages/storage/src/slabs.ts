/** The unit in which uploads take memory. */
export const SLAB_BYTES = 1024 ** 2
/** What all uploads of this process together take without waiting. */
const BUDGET_SLABS = 20
/**
 * How long an upload waits for memory where the others have all of it, in milliseconds. A store that takes 20 MB/s frees
 * the whole budget within it. With 250 ms ten uploads to one that takes 47 MB/s went past the budget (62 MB more).
 */
const WAIT_MS = 1_000

let used = 0
const spare: Buffer[] = []
const waiting = new Set<() => void>()

/**
 * Memory for a mebibyte more of a file. While the uploads of this process have as much as they should, one that wants more
 * waits for another to finish a part, and its client with it; but not for long, because those others may themselves be
 * waiting, for clients on slow lines. So fast uploads share the budget, and slow ones cannot stop anybody.
 */
export async function takeSlab(): Promise<Buffer> {
  if (used >= BUDGET_SLABS) {
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
  used++
  return spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
}

/** @param reusable false where a request that failed may still be reading from them: then they are left to the collector */
export function giveSlabs(slabs: readonly Buffer[], reusable: boolean): void {
  used -= slabs.length
  for (const slab of slabs) if (reusable && spare.length < BUDGET_SLABS) spare.push(slab)
  let room = BUDGET_SLABS - used
  for (const go of waiting) if (room-- > 0) go()
}

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes received, by all uploads of this process, after which the buffers they came in are collected. */
const EVERY_BYTES = 4 * 1024 ** 2

// V8 shows its collector to contexts that are made after the flag is set.
setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')
let received = 0

/**
 * Frees the buffers in which a stream came in, once they have been copied. They lie outside V8's heap: a stream makes so
 * little garbage within it that V8 sees no need to look, and lets some 64 MB of dead buffers pile up before it does. A
 * collection of the young generation every few megabytes (1 to 2 ms each) halves the memory that uploads take.
 */
export function noteReceived(bytes: number): void {
  received += bytes
  if (received < EVERY_BYTES) return
  received = 0
  if (typeof collect === 'function') collect({ type: 'minor' })
}

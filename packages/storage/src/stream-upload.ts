import type { Body, ObjectStore, StoredPart } from './objects.ts'

/** The least that S3 takes as a part that is not the last, and so the most that one upload has in memory. */
const PART_BYTES = 5 * 1024 ** 2
const SLAB_BYTES = 1024 ** 2
/** Slabs kept for the next upload. */
const SPARE_SLABS = 10

const spare: Buffer[] = []

/**
 * One part in memory, filled again and again. It grows a slab at a time, so that a small file takes one; what comes in is
 * copied, so that the network's own buffers are free again at once, before they grow old in the heap.
 *
 * The SDK's lib-storage does the same work with two to three parts' worth of memory (it collects chunks, joins them into a
 * part and sends that): twice the bound that ten uploads at once are held to. Hence these lines.
 */
class PartBuffer {
  readonly #slabs: Buffer[] = []
  #size = 0

  get full(): boolean {
    return this.#size === PART_BYTES
  }

  get body(): Body {
    const count = Math.ceil(this.#size / SLAB_BYTES)
    const pieces = this.#slabs.slice(0, count).map((slab, index) => slab.subarray(0, this.#size - index * SLAB_BYTES))
    return { pieces, size: this.#size }
  }

  /** Takes what fits. @returns how many bytes that is */
  fill(chunk: Buffer): number {
    let taken = 0
    while (taken < chunk.length && !this.full) {
      const index = Math.floor(this.#size / SLAB_BYTES)
      const slab = this.#slabs[index] ?? this.#grow()
      const count = chunk.copy(slab, this.#size % SLAB_BYTES, taken)
      taken += count
      this.#size += count
    }
    return taken
  }

  clear(): void {
    this.#size = 0
  }

  /** Hands the memory on. Only when no request that was sent it can still be reading: after success. */
  release(): void {
    for (const slab of this.#slabs.splice(0)) if (spare.length < SPARE_SLABS) spare.push(slab)
    this.#size = 0
  }

  #grow(): Buffer {
    const slab = spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES)
    this.#slabs.push(slab)
    return slab
  }
}

export interface StreamUpload {
  key: string
  source: AsyncIterable<Buffer>
  /** Called with the size so far, before more is sent; throws where that is too much. */
  grown: (size: number) => void
  /** Called with the id of a multipart upload before anything is sent to it. */
  begun: (uploadId: string) => Promise<void>
  /** Ends requests that are under way. */
  signal: AbortSignal
}

/**
 * Puts a stream of unknown length into the store: a small one in one request, a larger one part by part, each sent before
 * more of the stream is read. On failure, removing what lies in the store is the caller's.
 * @returns the size in bytes
 */
export async function uploadStream(store: ObjectStore, upload: StreamUpload): Promise<number> {
  const { key, source, grown, signal } = upload
  const buffer = new PartBuffer()
  const parts: StoredPart[] = []
  let uploadId: string | undefined
  let size = 0
  const sendPart = async () => {
    if (uploadId === undefined) {
      uploadId = await store.begin(key)
      await upload.begun(uploadId)
    }
    parts.push(await store.putPart(key, uploadId, parts.length + 1, buffer.body, signal))
    buffer.clear()
  }
  for await (const chunk of source) {
    size += chunk.length
    grown(size)
    for (let rest = chunk; rest.length > 0; ) {
      // Only when there is more is a full part sent: one that is all of the file goes in one request.
      if (buffer.full) await sendPart()
      rest = rest.subarray(buffer.fill(rest))
    }
  }
  signal.throwIfAborted()
  if (uploadId === undefined) await store.put(key, buffer.body, signal)
  else {
    await sendPart()
    await store.complete(key, uploadId, parts)
  }
  buffer.release()
  return size
}

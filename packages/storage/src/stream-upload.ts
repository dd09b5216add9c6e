import { ParleyError } from '@parley/protocol'
import { noteReceived } from './dead-buffers.ts'
import type { Body, ObjectStore, StoredPart } from './objects.ts'
import { beginGrowing, endGrowing, giveSlabs, SLAB_BYTES, takeSlab } from './slabs.ts'

/** The smallest part that S3 accepts, except as the last one, and so the most memory that one upload takes. */
const PART_BYTES = 5 * 1024 ** 2

/**
 * A part in memory. It grows by slabs, so that a small file takes one. Incoming chunks are copied, which frees the network's
 * buffers before they move to the old generation of the heap.
 *
 * The SDK's lib-storage takes two to three parts' worth of memory (it collects chunks, concatenates them into a part and sends
 * that): twice the bound set for ten concurrent uploads.
 */
class PartBuffer {
  #slabs: Buffer[] = []
  #size = 0
  #growing = false

  get full(): boolean {
    return this.#size === PART_BYTES
  }

  get body(): Body {
    const pieces = this.#slabs.map((slab, index) => slab.subarray(0, this.#size - index * SLAB_BYTES))
    return { pieces, size: this.#size }
  }

  /** Copies as much of the chunk as fits into a slab, once memory is available. @returns the number of bytes copied */
  async fill(chunk: Buffer): Promise<number> {
    if (this.#size === this.#slabs.length * SLAB_BYTES) {
      if (this.#slabs.length === 1) {
        await beginGrowing()
        this.#growing = true
      }
      this.#slabs.push(takeSlab())
    }
    const count = chunk.copy(this.#slabs.at(-1) ?? chunk, this.#size % SLAB_BYTES)
    this.#size += count
    return count
  }

  /** Releases its memory. @param sent whether all requests that used it have succeeded */
  empty(sent: boolean): void {
    giveSlabs(this.#slabs, sent)
    if (this.#growing) endGrowing()
    this.#growing = false
    this.#slabs = []
    this.#size = 0
  }
}

export interface StreamUpload {
  key: string
  source: AsyncIterable<Buffer>
  /** Called with the size so far before more is sent; throws if that is too much. */
  onSize: (size: number) => void
  /** Called with the id of a multipart upload before anything is sent to it. */
  onBegin: (uploadId: string) => Promise<void>
  /** Aborts requests under way. */
  signal: AbortSignal
}

/**
 * Uploads a stream of unknown length to the store: a small one in one request, a larger one part by part, each sent before more
 * of the stream is read. After a failure, the caller must remove what is in the store.
 * @returns the size in bytes
 */
export async function uploadStream(store: ObjectStore, upload: StreamUpload): Promise<number> {
  const { key, source, onSize, signal } = upload
  const buffer = new PartBuffer()
  const parts: StoredPart[] = []
  let uploadId: string | undefined
  let size = 0
  const sendPart = async () => {
    if (uploadId === undefined) {
      uploadId = await store.begin(key, signal)
      await upload.onBegin(uploadId)
    }
    parts.push(await store.putPart(key, uploadId, parts.length + 1, buffer.body, signal))
    buffer.empty(true)
  }
  try {
    for await (const chunk of source) {
      size += chunk.length
      noteReceived(chunk.length)
      onSize(size)
      for (let rest = chunk; rest.length > 0; ) {
        // Send a full part only when more data follows: a file of exactly one part goes in a single request.
        if (buffer.full) await sendPart()
        rest = rest.subarray(await buffer.fill(rest))
      }
    }
    signal.throwIfAborted()
    if (uploadId === undefined) await store.put(key, buffer.body, signal)
    else {
      await sendPart()
      // The upload has vanished, so the object may not exist.
      if (!(await store.complete(key, uploadId, parts))) throw new ParleyError('STORAGE_UNAVAILABLE')
    }
    buffer.empty(true)
    return size
  } finally {
    buffer.empty(false)
  }
}

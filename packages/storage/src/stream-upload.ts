import { ParleyError } from '@parley/protocol'
import { noteReceived } from './dead-buffers.ts'
import type { Body, ObjectStore, StoredPart } from './objects.ts'
import { beginGrowing, endGrowing, giveSlabs, SLAB_BYTES, takeSlab } from './slabs.ts'

/** The least that S3 takes as a part that is not the last, and so the most that one upload has in memory. */
const PART_BYTES = 5 * 1024 ** 2

/**
 * One part in memory. It grows a slab at a time, so that a small file takes one; what comes in is copied, so that the
 * network's own buffers are free again at once, before they grow old in the heap.
 *
 * The SDK's lib-storage does the same work with two to three parts' worth of memory (it collects chunks, joins them into a
 * part and sends that): twice the bound that ten uploads at once are held to. Hence these lines.
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

  /** Takes what fits into a slab, once there is memory. @returns how many bytes that is */
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

  /** Gives its memory back. @param sent all requests that were given it have ended well */
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
      uploadId = await store.begin(key, signal)
      await upload.begun(uploadId)
    }
    parts.push(await store.putPart(key, uploadId, parts.length + 1, buffer.body, signal))
    buffer.empty(true)
  }
  try {
    for await (const chunk of source) {
      size += chunk.length
      noteReceived(chunk.length)
      grown(size)
      for (let rest = chunk; rest.length > 0; ) {
        // Only when there is more is a full part sent: one that is all of the file goes in one request.
        if (buffer.full) await sendPart()
        rest = rest.subarray(await buffer.fill(rest))
      }
    }
    signal.throwIfAborted()
    if (uploadId === undefined) await store.put(key, buffer.body, signal)
    else {
      await sendPart()
      // Gone under our hands: nothing says that the object is there.
      if (!(await store.complete(key, uploadId, parts))) throw new ParleyError('STORAGE_UNAVAILABLE')
    }
    buffer.empty(true)
    return size
  } finally {
    buffer.empty(false)
  }
}

import { type ParleyClient, ParleyClientError } from '@parley/client'
import { randomId } from '../app/random-id.ts'
import { problemOf } from '../text/problems.ts'

/** A file that is being sent, or that could not be sent. */
export interface Upload {
  /** Also the clientMessageId of its message. */
  readonly id: string
  readonly conversationId: string
  readonly file: File
  readonly content: string
  /** For pictures, an object URL of the file, shown until it is sent. */
  readonly previewUrl: string | null
  /** waiting: for earlier files, or for the server to be reachable. failed: automatic retries would not help. */
  readonly status: 'waiting' | 'sending' | 'failed'
  readonly sentBytes: number
  readonly totalBytes: number
  /** Why the last try failed. */
  readonly error: string | null
  readonly createdAt: number
}

interface Item {
  upload: Upload
  abort: AbortController
  attempt: number
}

const NONE: readonly Upload[] = []
/** Minimum interval between progress updates, each of which renders. Milliseconds. */
const PROGRESS_MS = 100
/** First and longest pause before a retry, in milliseconds. A restored connection ends it. */
const PAUSE = { first: 1_000, longest: 30_000 }

/**
 * Sends files, one at a time per conversation, and retries each until it is sent or has failed for good. The queue lasts as long
 * as the page.
 */
export class UploadQueue {
  readonly #client: Pick<ParleyClient, 'sendFile' | 'on'>
  readonly #items: Item[] = []
  readonly #snapshots = new Map<string, readonly Upload[]>()
  readonly #listeners = new Set<() => void>()
  /** Retry timers by conversation. */
  readonly #pauses = new Map<string, ReturnType<typeof setTimeout>>()
  readonly #stop: () => void

  constructor(client: Pick<ParleyClient, 'sendFile' | 'on'>) {
    this.#client = client
    this.#stop = client.on('state', (state) => {
      if (state === 'live') for (const conversationId of [...this.#pauses.keys()]) this.#resume(conversationId)
    })
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Returns the files of a conversation, in the order in which they were added. The same array until one changes. */
  of(conversationId: string): readonly Upload[] {
    let snapshot = this.#snapshots.get(conversationId)
    if (snapshot === undefined) {
      const mine = this.#items.filter(({ upload }) => upload.conversationId === conversationId)
      snapshot = mine.length === 0 ? NONE : mine.map(({ upload }) => upload)
      this.#snapshots.set(conversationId, snapshot)
    }
    return snapshot
  }

  /** Whether closing the page would lose files. */
  get busy(): boolean {
    return this.#items.some(({ upload }) => upload.status !== 'failed')
  }

  /** Adds files to send, each as one message; `content` goes with the first. */
  add(conversationId: string, files: readonly File[], content = ''): void {
    files.forEach((file, index) => {
      const isPicture = /^image\/(png|jpeg|gif|webp|avif)$/.test(file.type)
      const upload: Upload = {
        id: randomId(),
        conversationId,
        file,
        content: index === 0 ? content : '',
        previewUrl: isPicture ? URL.createObjectURL(file) : null,
        status: 'waiting',
        sentBytes: 0,
        totalBytes: file.size,
        error: null,
        createdAt: Date.now(),
      }
      this.#items.push({ upload, abort: new AbortController(), attempt: 0 })
    })
    this.#changed(conversationId)
    this.#pump(conversationId)
  }

  retry(id: string): void {
    const item = this.#find(id)
    if (item?.upload.status !== 'failed') return
    this.#update(item, { status: 'waiting', sentBytes: 0, error: null })
    this.#pump(item.upload.conversationId)
  }

  /** Cancels a file that is being sent, or discards one that has failed. */
  cancel(id: string): void {
    const item = this.#find(id)
    if (item === undefined) return
    this.#remove(item)
    item.abort.abort()
    this.#resume(item.upload.conversationId)
  }

  close(): void {
    this.#stop()
    for (const pause of this.#pauses.values()) clearTimeout(pause)
    for (const item of [...this.#items]) {
      this.#remove(item)
      item.abort.abort()
    }
    this.#listeners.clear()
  }

  #resume(conversationId: string): void {
    clearTimeout(this.#pauses.get(conversationId))
    this.#pauses.delete(conversationId)
    this.#pump(conversationId)
  }

  #pump(conversationId: string): void {
    if (this.#pauses.has(conversationId)) return
    const mine = this.#items.filter(({ upload }) => upload.conversationId === conversationId)
    if (mine.some(({ upload }) => upload.status === 'sending')) return
    const next = mine.find(({ upload }) => upload.status === 'waiting')
    if (next !== undefined) void this.#send(next)
  }

  async #send(item: Item): Promise<void> {
    const { id, conversationId, file, content } = item.upload
    let told = 0
    this.#update(item, { status: 'sending', error: null })
    try {
      await this.#client.sendFile(conversationId, file, {
        content,
        clientMessageId: id,
        signal: item.abort.signal,
        onProgress: ({ sentBytes, totalBytes }) => {
          const now = performance.now()
          if (now - told < PROGRESS_MS && sentBytes < totalBytes) return
          told = now
          this.#update(item, { sentBytes, totalBytes })
        },
      })
      this.#remove(item)
    } catch (error) {
      if (this.#find(id) === item) await this.#failed(item, error)
    }
    this.#pump(conversationId)
  }

  async #failed(item: Item, error: unknown): Promise<void> {
    const { file, conversationId } = item.upload
    const retryable = error instanceof ParleyClientError && (error.retryable || error.isTokenProblem)
    const readable = await isReadable(file)
    if (this.#find(item.upload.id) !== item) return
    if (!retryable || !readable) {
      this.#update(item, { status: 'failed', error: readable ? problemOf(error) : 'The file cannot be read.' })
      return
    }
    const delay = Math.min(PAUSE.longest, PAUSE.first * 2 ** item.attempt++)
    const again = () => this.#resume(conversationId)
    this.#pauses.set(conversationId, setTimeout(again, Math.max(error.retryAfterMs ?? 0, delay)))
    this.#update(item, { status: 'waiting', sentBytes: 0, error: problemOf(error) })
  }

  #find(id: string): Item | undefined {
    return this.#items.find(({ upload }) => upload.id === id)
  }

  #update(item: Item, change: Partial<Upload>): void {
    if (!this.#items.includes(item)) return
    item.upload = { ...item.upload, ...change }
    this.#changed(item.upload.conversationId)
  }

  #remove(item: Item): void {
    const index = this.#items.indexOf(item)
    if (index < 0) return
    this.#items.splice(index, 1)
    const { previewUrl } = item.upload
    if (previewUrl !== null) URL.revokeObjectURL(previewUrl)
    this.#changed(item.upload.conversationId)
  }

  #changed(conversationId: string): void {
    this.#snapshots.delete(conversationId)
    for (const listener of [...this.#listeners]) listener()
  }
}

/** Returns whether a file can be read: folders cannot, nor files moved or changed since, and browsers do not say which it is. */
function isReadable(file: File): Promise<boolean> {
  return file
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    )
}

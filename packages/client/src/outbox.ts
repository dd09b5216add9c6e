import type { Message } from '@parley/protocol'
import { fullJitter } from './backoff.ts'
import { ParleyClientError, toClientError } from './errors.ts'
import type { OutboxEntry, OutboxStorage } from './storage/types.ts'
import { type Store, Stores } from './store.ts'

/** For a server that responds but cannot store now; the connection has its own, longer backoff. */
const BACKOFF = { baseMs: 250, maxMs: 5_000 }
/** How long to wait for the storage before continuing without it: the next run sends what it holds. Milliseconds. */
const LOAD_MS = 5_000
const NONE: readonly PendingMessage[] = []

/**
 * queued -> sending -> stored (and removed from the outbox), back to queued after a retryable error, or failed after any
 * other. A failed message stays until it is retried or discarded; it does not block those after it.
 */
export interface PendingMessage extends OutboxEntry {
  readonly status: 'queued' | 'sending' | 'failed'
  /** The error of the last attempt. */
  readonly error: ParleyClientError | null
}

interface Item {
  pending: PendingMessage
  /** Settle the promise that `add` returned; undefined for a message from an earlier run. */
  resolve: ((message: Message) => void) | undefined
  reject: ((error: ParleyClientError) => void) | undefined
  attempt: number
  /** Serialises the storage calls for this entry. */
  stored: Promise<unknown>
}

export interface OutboxOptions {
  storage: OutboxStorage
  /** Sends one message and resolves when it is durable. Rejects without a connection. */
  send: (entry: OutboxEntry) => Promise<Message>
  connected: () => boolean
  onError: (error: ParleyClientError) => void
}

/**
 * Outgoing messages. Within a conversation they are sent one at a time, in order; conversations do not wait for each other.
 */
export class Outbox {
  readonly #options: OutboxOptions
  readonly #queues = new Map<string, Item[]>()
  readonly #stores = new Stores((id) => this.#queues.get(id)?.map(({ pending }) => pending) ?? NONE)
  readonly #busy = new Set<string>()
  readonly #retries = new Map<string, ReturnType<typeof setTimeout>>()
  #userId: string | undefined
  #identified: Promise<void> | undefined
  /** Messages left by an earlier run have been loaded (or given up on). */
  #complete = false
  #order = 0
  #closed = false

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Number of messages not stored yet, failed ones included. */
  get size(): number {
    let size = 0
    for (const queue of this.#queues.values()) size += queue.length
    return size
  }

  /** The pending messages of a conversation, in order. */
  pending(conversationId: string): Store<readonly PendingMessage[]> {
    return this.#stores.of(conversationId)
  }

  /** The user is known: stores the messages added so far and puts those left by an earlier run in front of them. */
  identify(userId: string): Promise<void> {
    this.#identified ??= this.#load(userId)
    return this.#identified
  }

  async #load(userId: string): Promise<void> {
    this.#userId = userId
    for (const item of [...this.#queues.values()].flat()) this.#keep(item)
    const { storage, onError } = this.#options
    let leftover: OutboxEntry[] = []
    try {
      leftover = await inTime(storage.load(userId))
    } catch (error) {
      onError(storageError(error))
    }
    const current = new Set([...this.#queues.values()].flat().map(({ pending }) => pending.clientMessageId))
    const entries = leftover.filter(({ clientMessageId }) => !current.has(clientMessageId))
    for (const entry of entries.sort((a, b) => b.order - a.order)) {
      const item = itemOf(entry)
      // The clock may have been ahead in the earlier run.
      this.#order = Math.max(this.#order, entry.order)
      this.#queues.set(entry.conversationId, [item, ...(this.#queues.get(entry.conversationId) ?? [])])
      this.#changed(entry.conversationId)
    }
    this.#complete = true
  }

  /** Resolves when the message is durable. @throws {ParleyClientError} any that is not retryable; CLOSED, ABORTED */
  add(draft: Omit<OutboxEntry, 'order' | 'createdAt'>): Promise<Message> {
    if (this.#closed) return Promise.reject(new ParleyClientError('CLOSED', 'The client is closed.'))
    const createdAt = Date.now()
    // After everything left by an earlier run, and in order within this one.
    this.#order = Math.max(this.#order + 1, createdAt * 1_000)
    const item = itemOf({ ...draft, createdAt, order: this.#order })
    const sent = new Promise<Message>((resolve, reject) => {
      item.resolve = resolve
      item.reject = reject
    })
    const { conversationId } = draft
    this.#queues.set(conversationId, [...(this.#queues.get(conversationId) ?? []), item])
    this.#keep(item)
    this.#changed(conversationId)
    this.#pump(conversationId)
    return sent
  }

  /** There is a connection: starts sending everything queued. */
  flush(): void {
    for (const conversationId of this.#queues.keys()) {
      this.#stopRetry(conversationId)
      this.#pump(conversationId)
    }
  }

  /** Queues a failed message again, at its old place. */
  retry(clientMessageId: string): void {
    const item = this.#find(clientMessageId)
    if (item?.pending.status !== 'failed') return
    this.#set(item, 'queued', null)
    this.#keep(item)
    this.#pump(item.pending.conversationId)
  }

  /** Drops a message that is not being sent right now. */
  discard(clientMessageId: string): void {
    const item = this.#find(clientMessageId)
    if (item === undefined || item.pending.status === 'sending') return
    this.#remove(item)
    item.reject?.(new ParleyClientError('ABORTED', 'The message was discarded.'))
  }

  /** Stops sending and rejects all pending promises with CLOSED. The next client sends what is kept in a storage. */
  close(): void {
    this.#closed = true
    for (const conversationId of [...this.#retries.keys()]) this.#stopRetry(conversationId)
    for (const item of [...this.#queues.values()].flat()) {
      item.reject?.(new ParleyClientError('CLOSED', 'The client was closed before the message was stored.'))
    }
  }

  #pump(conversationId: string): void {
    if (this.#closed || this.#busy.has(conversationId) || this.#retries.has(conversationId)) return
    const item = this.#queues.get(conversationId)?.find(({ pending }) => pending.status === 'queued')
    if (item === undefined || !this.#complete || !this.#options.connected()) return
    this.#busy.add(conversationId)
    this.#set(item, 'sending', null)
    this.#options
      .send(item.pending)
      .then(
        (message) => {
          this.#remove(item)
          item.resolve?.(message)
        },
        (error) => this.#failed(item, toClientError(error)),
      )
      .finally(() => {
        this.#busy.delete(conversationId)
        this.#pump(conversationId)
      })
  }

  #failed(item: Item, error: ParleyClientError): void {
    if (this.#closed) return
    const { conversationId } = item.pending
    if (!error.retryable) {
      this.#set(item, 'failed', error)
      // Only the application may retry it, so it must not be sent after a reload either.
      this.#forget(item)
      item.reject?.(error)
      return
    }
    this.#set(item, 'queued', error)
    if (!this.#options.connected()) return
    const delay = Math.max(error.retryAfterMs ?? 0, fullJitter(item.attempt++, BACKOFF))
    this.#retries.set(
      conversationId,
      setTimeout(() => {
        this.#retries.delete(conversationId)
        this.#pump(conversationId)
      }, delay),
    )
  }

  #stopRetry(conversationId: string): void {
    clearTimeout(this.#retries.get(conversationId))
    this.#retries.delete(conversationId)
  }

  #find(clientMessageId: string): Item | undefined {
    return [...this.#queues.values()].flat().find(({ pending }) => pending.clientMessageId === clientMessageId)
  }

  #set(item: Item, status: PendingMessage['status'], error: ParleyClientError | null): void {
    item.pending = { ...item.pending, status, error }
    this.#changed(item.pending.conversationId)
  }

  #remove(item: Item): void {
    const { conversationId } = item.pending
    const left = (this.#queues.get(conversationId) ?? []).filter((other) => other !== item)
    if (left.length > 0) this.#queues.set(conversationId, left)
    else this.#queues.delete(conversationId)
    this.#forget(item)
    this.#changed(conversationId)
  }

  #keep(item: Item): void {
    const { status: _, error: __, ...entry } = item.pending
    this.#store(item, (userId) => this.#options.storage.put(userId, entry))
  }

  #forget(item: Item): void {
    this.#store(item, (userId) => this.#options.storage.remove(userId, item.pending.clientMessageId))
  }

  /** A storage that fails (full, forbidden) does not stop messages from being sent. */
  #store(item: Item, work: (userId: string) => Promise<void>): void {
    const userId = this.#userId
    if (userId === undefined) return
    item.stored = item.stored.then(() => work(userId)).catch((error) => this.#options.onError(storageError(error)))
  }

  #changed(conversationId: string): void {
    this.#stores.invalidate(conversationId)
  }
}

function storageError(cause: unknown): ParleyClientError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ParleyClientError('STORAGE', `The outbox storage failed: ${reason}`, { cause })
}

/** @throws {Error} if it takes longer than LOAD_MS */
async function inTime<T>(loaded: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no response within ${LOAD_MS} ms`)), LOAD_MS)
  })
  try {
    return await Promise.race([loaded, late])
  } finally {
    clearTimeout(timer)
  }
}

function itemOf(entry: OutboxEntry): Item {
  return {
    pending: { ...entry, status: 'queued', error: null },
    resolve: undefined,
    reject: undefined,
    attempt: 0,
    stored: Promise.resolve(),
  }
}

import type { Message } from '@parley/protocol'
import { Readers } from './readers.ts'

/** The stored messages of a timeline. */
export interface TimelineSnapshot {
  /** In ascending seq order, without gaps. */
  readonly messages: readonly Message[]
  /** idle: nothing was requested. loading: the first page was requested. */
  readonly status: 'idle' | 'loading' | 'ready'
  /** Whether there are older messages; see `loadOlder`. */
  readonly hasOlder: boolean
  /** Whether there are newer messages, past the end of this window; see `loadNewer`. */
  readonly hasNewer: boolean
}

const EMPTY: readonly Message[] = []

/**
 * A window onto a conversation's messages: a contiguous run of bounded length. New messages are appended while the window is
 * at the end of the conversation. What exceeds the bound is dropped at the opposite end.
 */
export class Timeline {
  readonly #max: number
  readonly #changed: () => void
  readonly #readers = new Readers()
  #messages: readonly Message[] = EMPTY
  /** Messages delivered while a page is loading. */
  #meanwhile: Message[] = []
  #status: TimelineSnapshot['status'] = 'idle'
  #hasOlder = false
  #hasNewer = false

  /** @param max maximum number of messages held */
  constructor(max: number, changed: () => void) {
    this.#max = max
    this.#changed = changed
  }

  get status(): TimelineSnapshot['status'] {
    return this.#status
  }

  get oldestSeq(): number | undefined {
    return this.#messages[0]?.seq
  }

  get newestSeq(): number | undefined {
    return this.#messages.at(-1)?.seq
  }

  snapshot(): TimelineSnapshot {
    return {
      messages: this.#messages,
      status: this.#status,
      hasOlder: this.#hasOlder,
      hasNewer: this.#hasNewer,
    }
  }

  bySeq(seq: number): Message | undefined {
    const first = this.oldestSeq
    return first === undefined ? undefined : this.#messages[seq - first]
  }

  startLoading(): void {
    this.#status = 'loading'
    this.#meanwhile = []
    this.#changed()
  }

  /** Loading a page failed. */
  stopLoading(): void {
    this.#status = this.#messages.length > 0 ? 'ready' : 'idle'
    this.#meanwhile = []
    this.#changed()
  }

  /** Replaces the content with the newest page. */
  reset(page: readonly Message[], hasOlder: boolean): void {
    const last = page.at(-1)?.seq ?? 0
    const newer = this.#meanwhile.filter(({ seq }) => seq > last)
    this.#meanwhile = []
    this.#messages = this.#run([...page, ...newer])
    this.#hasOlder = hasOlder
    this.#hasNewer = false
    this.#status = 'ready'
    this.#trimOldest()
    this.#changed()
  }

  /** Replaces the content with a page from anywhere in the history. */
  show(page: readonly Message[], hasOlder: boolean, hasNewer: boolean): void {
    this.#meanwhile = []
    this.#messages = this.#run(page)
    this.#hasOlder = hasOlder
    this.#hasNewer = hasNewer
    this.#status = 'ready'
    this.#changed()
  }

  /** Adds the page before the oldest message. */
  prepend(page: readonly Message[], hasOlder: boolean): void {
    const oldest = this.oldestSeq ?? Number.POSITIVE_INFINITY
    this.#messages = this.#run([...page.filter(({ seq }) => seq < oldest), ...this.#messages])
    this.#hasOlder = hasOlder
    if (this.#messages.length > this.#max) {
      this.#messages = this.#messages.slice(0, this.#max)
      this.#hasNewer = true
    }
    this.#changed()
  }

  /** Adds the page after the newest message. */
  append(page: readonly Message[], hasNewer: boolean): void {
    const newest = this.newestSeq ?? 0
    this.#messages = this.#run([...this.#messages, ...page.filter(({ seq }) => seq > newest)])
    this.#hasNewer = hasNewer
    this.#trimOldest()
    this.#changed()
  }

  /** Adds the conversation's next message, if the window is at its end. */
  deliver(message: Message): void {
    if (this.#status === 'loading') this.#meanwhile.push(message)
    if (this.#status !== 'ready') return
    const newest = this.newestSeq
    if (newest !== undefined && message.seq <= newest) {
      this.change(message)
      return
    }
    if (this.#hasNewer) return
    if (newest !== undefined && message.seq > newest + 1) {
      this.#hasNewer = true
    } else {
      this.#messages = [...this.#messages, this.#readers.complete(message)]
      this.#trimOldest()
    }
    this.#changed()
  }

  /** Replaces a message with a newer version of it, if it is held here. */
  change(message: Message): void {
    const index = message.seq - (this.oldestSeq ?? Number.POSITIVE_INFINITY)
    const known = this.#messages[index]
    if (index < 0 || known === undefined || known.rev > message.rev) return
    const readBy = [...new Set([...message.readBy, ...known.readBy])]
    this.#messages = this.#messages.with(index, { ...message, readBy })
    this.#changed()
  }

  /** Records that a user has read everything in `(fromSeq, toSeq]`, messages added later included. */
  mark(userId: string, fromSeq: number, toSeq: number): void {
    this.#readers.note(userId, fromSeq, toSeq)
    this.#replace((message) => {
      const { seq, readBy } = message
      return seq <= fromSeq || seq > toSeq || readBy.includes(userId)
        ? message
        : { ...message, readBy: [...readBy, userId] }
    })
  }

  /** Removes a user who is no longer a member from all readers, except as the sender of their own messages. */
  unmark(userId: string): void {
    this.#readers.forget(userId)
    this.#replace((message) => {
      const { readBy, senderId } = message
      if (senderId === userId || !readBy.includes(userId)) return message
      return { ...message, readBy: readBy.filter((id) => id !== userId) }
    })
  }

  /** Returns the ids of those who have read a message, which need not be held here. */
  readBy(message: Pick<Message, 'seq' | 'readBy'>): string[] {
    const { readBy } = this.bySeq(message.seq) ?? message
    return [...readBy, ...this.#readers.missingIn({ ...message, readBy })]
  }

  /** Drops all messages and goes back to idle. */
  clear(): void {
    this.#messages = EMPTY
    this.#meanwhile = []
    this.#status = 'idle'
    this.#hasOlder = false
    this.#hasNewer = false
    this.#changed()
  }

  /** @param change returns the same object if there is nothing to change */
  #replace(change: (message: Message) => Message): void {
    const messages = this.#messages.map(change)
    if (messages.every((message, index) => message === this.#messages[index])) return
    this.#messages = messages
    this.#changed()
  }

  #run(messages: readonly Message[]): readonly Message[] {
    return run(messages).map((message) => this.#readers.complete(message))
  }

  #trimOldest(): void {
    if (this.#messages.length <= this.#max) return
    this.#messages = this.#messages.slice(-this.#max)
    this.#hasOlder = true
  }
}

/** Returns the last contiguous run, so that a seq can be turned into an index. */
function run(messages: readonly Message[]): readonly Message[] {
  for (let index = messages.length - 1; index > 0; index--) {
    const [before, here] = [messages[index - 1], messages[index]]
    if (before !== undefined && here !== undefined && before.seq !== here.seq - 1) return messages.slice(index)
  }
  return messages
}

import type { Message } from '@parley/protocol'
import { Readers } from './readers.ts'

/** What a timeline shows of stored messages. */
export interface TimelineSnapshot {
  /** In rising order of seq, without a gap. */
  readonly messages: readonly Message[]
  /** idle: nothing has been asked for. loading: the first page is on its way. */
  readonly status: 'idle' | 'loading' | 'ready'
  /** There are older ones; see `loadOlder`. */
  readonly hasOlder: boolean
  /** There are newer ones that are not held here, for one has gone far back; see `loadNewer`. */
  readonly hasNewer: boolean
}

const EMPTY: readonly Message[] = []

/**
 * A window onto a conversation's messages: a run without a gap, of a bounded length. New messages come in at its end
 * while it is at the end of the conversation; what is too many goes at the other side.
 */
export class Timeline {
  readonly #max: number
  readonly #changed: () => void
  readonly #readers = new Readers()
  #messages: readonly Message[] = EMPTY
  /** Delivered while the first page is on its way. */
  #meanwhile: Message[] = []
  #status: TimelineSnapshot['status'] = 'idle'
  #hasOlder = false
  #hasNewer = false

  /** @param max messages held at most */
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

  /** The first page could not be had. */
  stopLoading(): void {
    this.#status = this.#messages.length > 0 ? 'ready' : 'idle'
    this.#meanwhile = []
    this.#changed()
  }

  /** The newest page, in place of what is here. */
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

  /** A page from anywhere, in place of what is here. */
  show(page: readonly Message[], hasOlder: boolean, hasNewer: boolean): void {
    this.#meanwhile = []
    this.#messages = this.#run(page)
    this.#hasOlder = hasOlder
    this.#hasNewer = hasNewer
    this.#status = 'ready'
    this.#changed()
  }

  /** Messages next to the oldest one. */
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

  /** Messages next to the newest one, fetched. */
  append(page: readonly Message[], hasNewer: boolean): void {
    const newest = this.newestSeq ?? 0
    this.#messages = this.#run([...this.#messages, ...page.filter(({ seq }) => seq > newest)])
    this.#hasNewer = hasNewer
    this.#trimOldest()
    this.#changed()
  }

  /** The conversation's next message. */
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

  /** A newer state of a message that may be here. */
  change(message: Message): void {
    const index = message.seq - (this.oldestSeq ?? Number.POSITIVE_INFINITY)
    const known = this.#messages[index]
    if (index < 0 || known === undefined || known.rev > message.rev) return
    const readBy = [...new Set([...message.readBy, ...known.readBy])]
    this.#messages = this.#messages.with(index, { ...message, readBy })
    this.#changed()
  }

  /** A person has read everything in `(fromSeq, toSeq]`, whether it is here already or comes later. */
  mark(userId: string, fromSeq: number, toSeq: number): void {
    this.#readers.note(userId, fromSeq, toSeq)
    this.#replace((message) => {
      const { seq, readBy } = message
      return seq <= fromSeq || seq > toSeq || readBy.includes(userId)
        ? message
        : { ...message, readBy: [...readBy, userId] }
    })
  }

  /** A person is not a member any more, and nobody's reader; a message of their own keeps its sender. */
  unmark(userId: string): void {
    this.#readers.forget(userId)
    this.#replace((message) => {
      const { readBy, senderId } = message
      if (senderId === userId || !readBy.includes(userId)) return message
      return { ...message, readBy: readBy.filter((id) => id !== userId) }
    })
  }

  /** Ids of those who have read a message, which need not be here. */
  readBy(message: Pick<Message, 'seq' | 'readBy'>): string[] {
    const { readBy } = this.bySeq(message.seq) ?? message
    return [...readBy, ...this.#readers.missingIn({ ...message, readBy })]
  }

  /** Lets everything go. */
  clear(): void {
    this.#messages = EMPTY
    this.#meanwhile = []
    this.#status = 'idle'
    this.#hasOlder = false
    this.#hasNewer = false
    this.#changed()
  }

  /** @param change gives back the same object where there is nothing to change */
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

/** The last run without a gap: seq is an index into it. */
function run(messages: readonly Message[]): readonly Message[] {
  for (let index = messages.length - 1; index > 0; index--) {
    const [before, here] = [messages[index - 1], messages[index]]
    if (before !== undefined && here !== undefined && before.seq !== here.seq - 1) return messages.slice(index)
  }
  return messages
}

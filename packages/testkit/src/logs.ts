const RING_LINES = 5_000
const PRINTED_LINES = 80

/** The last lines that the processes of one cluster wrote. */
export class LogRing {
  readonly #lines: string[] = []
  readonly title: string
  /** Set when the cluster is gone. */
  ended = false

  constructor(title: string) {
    this.title = title
    rings.add(this)
  }

  /** Returns the receiver for one process's lines. */
  from(name: string): (line: string) => void {
    return (line) => {
      this.#lines.push(`${name} | ${line}`)
      if (this.#lines.length > RING_LINES) this.#lines.shift()
    }
  }

  /** The last lines, of one process or of all; as many as one reads on a screen. */
  tail(name?: string): string {
    return this.#of(name).slice(-PRINTED_LINES).join('\n')
  }

  /** Every line that is kept, of one process or of all. */
  text(name?: string): string {
    return this.#of(name).join('\n')
  }

  #of(name: string | undefined): string[] {
    return name === undefined ? this.#lines : this.#lines.filter((line) => line.startsWith(`${name} | `))
  }
}

const rings = new Set<LogRing>()

/** Prints what the clusters of this test file wrote last. */
export function printLogs(because: string): void {
  for (const ring of rings) {
    const lines = ring.tail()
    if (lines !== '') console.error(`--- ${ring.title}, the last lines (${because})\n${lines}\n---`)
  }
}

/** Forgets the clusters that are gone. Between tests, because a failed test is noticed only after its cluster's end. */
export function forgetEndedLogs(): void {
  for (const ring of rings) if (ring.ended) rings.delete(ring)
}

const RING_LINES = 5_000
const PRINTED_LINES = 80

/** The last lines logged by the processes of a cluster. */
export class LogRing {
  readonly #lines: string[] = []
  readonly title: string
  /** Set when the cluster has been disposed. */
  ended = false

  constructor(title: string) {
    this.title = title
    rings.add(this)
  }

  /** Returns a function that takes a process's lines. */
  from(name: string): (line: string) => void {
    return (line) => {
      this.#lines.push(`${name} | ${line}`)
      if (this.#lines.length > RING_LINES) this.#lines.shift()
    }
  }

  /** Returns the last lines of one process or of all, as many as are readable on a screen. */
  tail(name?: string): string {
    return this.#of(name).slice(-PRINTED_LINES).join('\n')
  }

  /** Returns all kept lines of one process or of all. */
  text(name?: string): string {
    return this.#of(name).join('\n')
  }

  #of(name: string | undefined): string[] {
    return name === undefined ? this.#lines : this.#lines.filter((line) => line.startsWith(`${name} | `))
  }
}

const rings = new Set<LogRing>()

/** Prints the last lines of this test file's clusters. */
export function printLogs(because: string): void {
  for (const ring of rings) {
    const lines = ring.tail()
    if (lines !== '') console.error(`--- ${ring.title}, last lines (${because})\n${lines}\n---`)
  }
}

/** Forgets disposed clusters. Called between tests, since a test's failure is only known after its cluster is disposed. */
export function forgetEndedLogs(): void {
  for (const ring of rings) if (ring.ended) rings.delete(ring)
}

/** A time without a connection, by `performance.now()`; `to` is null while it lasts. */
export interface Absence {
  from: number
  to: number | null
  /** Why it ended, in the client's words: who closes by itself has the grace alone to come back. */
  why: string
}

/** Somebody was told that this person had gone offline; `at` by `performance.now()`. */
export interface OfflineNotice {
  userId: string
  at: number
}

/** When a client had no connection. */
export class Absences {
  readonly all: Absence[] = []

  /** Notes how it stands now, and why; to be called at each change, and may be called more often. */
  note(connected: boolean, why: string): void {
    const last = this.all.at(-1)
    const away = last !== undefined && last.to === null
    if (connected && away) last.to = performance.now()
    else if (!connected && !away) this.all.push({ from: performance.now(), to: null, why })
  }
}

/**
 * One line for each person whom others were told to be offline: to how many, and how long they had been away by then.
 * @param absencesOf those of a person's client, in order
 * @param nameOf what a person is called
 */
export function describeFlickers(
  notices: readonly OfflineNotice[],
  absencesOf: (userId: string) => readonly Absence[],
  nameOf: (userId: string) => string,
): string[] {
  const byPerson = Map.groupBy(notices, ({ userId }) => userId)
  return [...byPerson].map(([userId, told]) => {
    const at = Math.min(...told.map((notice) => notice.at))
    const absence = absencesOf(userId).findLast(({ from }) => from <= at)
    return `${nameOf(userId)} was shown as offline to ${told.length} of the clients, ${standing(absence, at)}`
  })
}

function standing(absence: Absence | undefined, at: number): string {
  if (absence === undefined) return 'without having been away'
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const { from, to, why } = absence
  if (to !== null && to <= at)
    return `${seconds(at - to)} after they had come back from ${seconds(to - from)} away (${why})`
  const back = to === null ? 'and are still away' : `and came back after ${seconds(to - from)}`
  return `${seconds(at - from)} after their connection had ended (${why}), ${back}`
}

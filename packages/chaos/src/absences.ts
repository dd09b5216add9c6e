/** A time without a connection, by `performance.now()`; `to` is null while it lasts. */
export interface Absence {
  from: number
  to: number | null
  /** The client's reason for the disconnect: if the client closed the connection itself, only the grace remains to come back. */
  why: string
}

/** A notice that this person went offline; `at` by `performance.now()`. */
export interface OfflineNotice {
  userId: string
  at: number
}

/** The times when a client had no connection. */
export class Absences {
  readonly all: Absence[] = []

  /** Records the current state and the reason. Call it at each change; repeated calls do no harm. */
  note(connected: boolean, why: string): void {
    const last = this.all.at(-1)
    const away = last !== undefined && last.to === null
    if (connected && away) last.to = performance.now()
    else if (!connected && !away) this.all.push({ from: performance.now(), to: null, why })
  }
}

/**
 * Describes, in one line per person, who was shown as offline: to how many, and how long they had been disconnected by then.
 * @param absencesOf returns the absences of a person's client, in order
 * @param nameOf returns a person's name
 */
export function describeFlickers(
  notices: readonly OfflineNotice[],
  absencesOf: (userId: string) => readonly Absence[],
  nameOf: (userId: string) => string,
): string[] {
  const byPerson = Map.groupBy(notices, ({ userId }) => userId)
  return [...byPerson].map(([userId, notices]) => {
    const at = Math.min(...notices.map((notice) => notice.at))
    const absence = absencesOf(userId).findLast(({ from }) => from <= at)
    return `${nameOf(userId)} was shown as offline to ${notices.length} of the clients, ${stateAt(absence, at)}`
  })
}

function stateAt(absence: Absence | undefined, at: number): string {
  if (absence === undefined) return 'without having been disconnected'
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const { from, to, why } = absence
  if (to !== null && to <= at)
    return `${seconds(at - to)} after they had reconnected, having been disconnected for ${seconds(to - from)} (${why})`
  const back = to === null ? 'and are still disconnected' : `and reconnected after ${seconds(to - from)}`
  return `${seconds(at - from)} after they were disconnected (${why}), ${back}`
}

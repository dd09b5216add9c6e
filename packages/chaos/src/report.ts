import type { PresenceBounds } from './presence.ts'

export interface FaultReport {
  fault: string
  acked: number
  lost: number
  duplicated: number
  misordered: number
  leaked: number
  /** From the lifting of the fault until every client had everything; null if that did not happen. */
  recoveryMs: number | null
}

export interface Report {
  faults: FaultReport[]
  presence: PresenceBounds
  /** Descriptions; empty if all is well. */
  problems: string[]
}

/** Whether nothing was lost, duplicated, misordered or leaked, and no other promise was broken. */
export function isGood({ faults, problems }: Report): boolean {
  return (
    problems.length === 0 &&
    faults.every(
      ({ lost, duplicated, misordered, leaked, recoveryMs }) =>
        lost + duplicated + misordered + leaked === 0 && recoveryMs !== null,
    )
  )
}

const HEAD = ['fault', 'acked', 'lost', 'duplicated', 'misordered', 'leaked', 'whole after']

/** Returns a Markdown table as in docs/RELIABILITY.md. */
export function table(faults: readonly FaultReport[]): string {
  const rows = faults.map(({ fault, acked, lost, duplicated, misordered, leaked, recoveryMs }) => [
    fault,
    String(acked),
    String(lost),
    String(duplicated),
    String(misordered),
    String(leaked),
    recoveryMs === null ? 'never' : `${(recoveryMs / 1_000).toFixed(1)} s`,
  ])
  const widths = HEAD.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(HEAD), rule, ...rows.map(line)].join('\n')
}

/** Returns the presence measurements as one line. */
export function presenceLines(presence: PresenceBounds): string {
  const ms = (value: number | null) => (value === null ? 'not measured' : `${(value / 1_000).toFixed(1)} s`)
  return [
    `presence: online seen after ${ms(presence.onlineMs)}`,
    `offline after a clean disconnect ${ms(presence.offlineAfterDisconnectMs)}`,
    `after a gateway's SIGKILL ${ms(presence.offlineAfterKillMs)}`,
    `everybody's view right again after a fault within ${ms(presence.convergedMs)}`,
    `shown as offline during the rolling restart: ${presence.flickers ?? 'not measured'}`,
  ].join('; ')
}

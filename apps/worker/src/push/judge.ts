import type { PushDeviceRow, PushMemberRow } from '@parley/db'
import type { PushTimes } from './deps.ts'
import type { Suppression } from './metrics.ts'
import { quietUntil } from './quiet-hours.ts'

export interface Case {
  member: PushMemberRow | undefined
  devices: readonly PushDeviceRow[]
  /** Whether the person has the application in the foreground. */
  foreground: boolean
  /** Seqs of the newest message to notify of, and of the first one in the same batch. */
  seq: number
  firstSeq: number
  /** When that first one was stored, in milliseconds since 1970. */
  sentAt: number
  now: number
  times: Pick<PushTimes, 'burstMs'>
}

export type Verdict =
  | { kind: 'suppress'; reason: Suppression }
  /** Quiet hours last until then. */
  | { kind: 'hold'; until: number }
  /** Another notification of the conversation has only just been shown: wait until then. */
  | { kind: 'wait'; until: number }
  /** Notify these devices of everything after a seq; devices are grouped by that seq. */
  | { kind: 'tell'; member: PushMemberRow; groups: Map<number, PushDeviceRow[]> }

/** Decides, from the current state, whether to notify a person, when, on which devices and of which messages. */
export function judge({ member, devices, foreground, seq, firstSeq, sentAt, now, times }: Case): Verdict {
  if (member?.member !== true) return suppress('left')
  if (devices.length === 0) return suppress('no device')
  if (member.last_read_seq >= seq) return suppress('read')
  if (member.muted) return suppress('muted')
  if (foreground) return suppress('foreground')
  const due = devices.filter((device) => device.seq === null || device.seq < seq)
  if (due.length === 0) return suppress('covered')
  const quiet = quietUntil(member, now)
  if (quiet !== null) return { kind: 'hold', until: quiet }
  const free = Math.max(...due.map((device) => shownAt(device) + times.burstMs))
  if (free > now) return { kind: 'wait', until: free }
  const groups = Map.groupBy(due, (device) =>
    Math.max(member.last_read_seq, firstUntold(device, firstSeq, sentAt, times.burstMs) - 1),
  )
  return { kind: 'tell', member, groups }
}

function suppress(reason: Suppression): Verdict {
  return { kind: 'suppress', reason }
}

function shownAt(device: PushDeviceRow): number {
  return device.pushed_at === null || device.digest === true ? 0 : Date.parse(device.pushed_at)
}

/**
 * Returns the seq of the first message that a device's notification counts. A notification within a burst replaces the previous
 * one, and one after a summary replaces the summary's part, so each counts those messages again; otherwise it starts with the
 * first message that the device has not been notified of.
 */
function firstUntold(device: PushDeviceRow, firstSeq: number, sentAt: number, burstMs: number): number {
  if (device.seq === null || device.from_seq === null) return firstSeq
  const replaces = device.digest === true || sentAt < shownAt(device) + burstMs
  return replaces ? device.from_seq : device.seq + 1
}

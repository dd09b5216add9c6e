import type { PushDeviceRow, PushMemberRow } from '@parley/db'
import type { PushTimes } from './deps.ts'
import type { Suppression } from './metrics.ts'
import { quietUntil } from './quiet-hours.ts'

export interface Case {
  member: PushMemberRow | undefined
  devices: readonly PushDeviceRow[]
  /** The person looks at the application. */
  foreground: boolean
  /** The newest message that is due, and the first that came with it. */
  seq: number
  firstSeq: number
  /** When that first one was stored. */
  sentAt: number
  now: number
  times: Pick<PushTimes, 'burstMs'>
}

export type Verdict =
  | { kind: 'suppress'; reason: Suppression }
  /** Quiet hours, until then. */
  | { kind: 'hold'; until: number }
  /** Another notification of the conversation has only just been shown. */
  | { kind: 'wait'; until: number }
  /** Tell the member's devices of what came after a seq: the devices by that. */
  | { kind: 'tell'; member: PushMemberRow; groups: Map<number, PushDeviceRow[]> }

/** Decides, from what is true now, whether a person is to be notified, when, on which devices and of what. */
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
 * The first message that a device's notification is to count. What came within a burst replaces the burst's notification, and
 * what came after a summary its part of that, and so counts what those did; else it is what the device has not been told yet.
 */
function firstUntold(device: PushDeviceRow, firstSeq: number, sentAt: number, burstMs: number): number {
  if (device.seq === null || device.from_seq === null) return firstSeq
  const replaces = device.digest === true || sentAt < shownAt(device) + burstMs
  return replaces ? device.from_seq : device.seq + 1
}

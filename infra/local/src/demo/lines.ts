import type { DemoConversation } from './script.ts'

export interface DemoLine {
  person: string
  text: string
  /** The name of the attached file in the script, if there is one. */
  file: string | undefined
  /** When it was sent. */
  at: Date
}

const MINUTE_MS = 60_000
/** Gaps between two lines, in seconds, used in turn. */
const GAPS_S = [40, 15, 170, 65, 20, 320, 95, 10, 240]

/** Parses a conversation's script into lines with times, which end as long before `now` as the script says. */
export function demoLines({ lines, endedMinutesAgo }: DemoConversation, now: Date): DemoLine[] {
  const parsed: Omit<DemoLine, 'at'>[] = []
  const offsets: number[] = []
  let offset = 0
  for (const line of lines.split('\n').filter((one) => one.trim() !== '')) {
    const pause = /^\+ (\d+)h$/.exec(line)
    if (pause) {
      offset += Number(pause[1]) * 60 * MINUTE_MS
      continue
    }
    const match = /^(\w+)(?: \[(\w+)\])?: (.+)$/.exec(line)
    const [, person, file, text] = match ?? []
    if (person === undefined || text === undefined) throw new Error(`Not a line of a demo conversation: ${line}`)
    offset += (GAPS_S[parsed.length % GAPS_S.length] ?? 60) * 1_000
    offsets.push(offset)
    parsed.push({ person, file, text })
  }
  const began = now.getTime() - endedMinutesAgo * MINUTE_MS - offset
  return parsed.map((line, index) => ({ ...line, at: new Date(began + (offsets[index] ?? 0)) }))
}

import type { DemoConversation } from './script.ts'

export interface DemoLine {
  person: string
  text: string
  /** The file that goes with it, by the name that the script gives it. */
  file: string | undefined
  /** When it was said. */
  at: Date
}

const MINUTE_MS = 60_000
/** Between two lines, in seconds, in turn: people answer at once, or after a while. */
const GAPS_S = [40, 15, 170, 65, 20, 320, 95, 10, 240]

/** The lines of a conversation's script with their times, the last of them so long before `now` as the script says. */
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
    if (person === undefined || text === undefined) throw new Error(`No line of a demo conversation: ${line}`)
    offset += (GAPS_S[parsed.length % GAPS_S.length] ?? 60) * 1_000
    offsets.push(offset)
    parsed.push({ person, file, text })
  }
  const began = now.getTime() - endedMinutesAgo * MINUTE_MS - offset
  return parsed.map((line, index) => ({ ...line, at: new Date(began + (offsets[index] ?? 0)) }))
}

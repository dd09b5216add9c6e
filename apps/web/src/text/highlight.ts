export interface MarkedPart {
  readonly text: string
  readonly marked: boolean
  /** Its offset in the text. */
  readonly start: number
}

/** Splits a text into marked and unmarked parts. Ranges are in UTF-16 code units, in any order, and clipped to the text. */
export function markParts(text: string, ranges: readonly { start: number; end: number }[]): MarkedPart[] {
  const parts: MarkedPart[] = []
  let done = 0
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const start = Math.max(range.start, done)
    const end = Math.min(range.end, text.length)
    if (start >= end) continue
    if (start > done) parts.push({ text: text.slice(done, start), marked: false, start: done })
    parts.push({ text: text.slice(start, end), marked: true, start })
    done = end
  }
  if (done < text.length) parts.push({ text: text.slice(done), marked: false, start: done })
  return parts
}

/** Returns about `length` characters around the first range, with the ranges shifted accordingly. */
export function excerpt(
  text: string,
  ranges: readonly { start: number; end: number }[],
  length = 160,
): { text: string; ranges: { start: number; end: number }[] } {
  const first = Math.min(...ranges.map(({ start }) => start), text.length)
  if (text.length <= length || ranges.length === 0)
    return { text: text.slice(0, characterAt(text, length)), ranges: [...ranges] }
  const wanted = Math.max(0, Math.min(first - Math.floor(length / 4), text.length - length))
  // Start after a space, so that no word is split.
  const space = wanted === 0 ? 0 : text.indexOf(' ', wanted)
  const from = characterAt(text, space > 0 && space <= first ? space + 1 : wanted)
  const lead = from > 0 ? '…' : ''
  const shift = lead.length - from
  const moved = ranges.map(({ start, end }) => ({ start: start + shift, end: end + shift }))
  return {
    text: lead + text.slice(from, characterAt(text, from + length)),
    ranges: moved.filter(({ end }) => end > lead.length),
  }
}

/** Returns the start of the character at an index, because half a surrogate pair would be shown as a question mark. */
function characterAt(text: string, index: number): number {
  return (text.codePointAt(index - 1) ?? 0) > 0xffff ? index - 1 : index
}

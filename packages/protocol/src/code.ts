export interface CodePart {
  readonly text: string
  /** `line`: inline code; `block`: lines of code. Neither includes the backticks. */
  readonly kind: 'text' | 'line' | 'block'
  /** Where `text` begins in the message. */
  readonly start: number
}

const FENCE = '```'
/** Inline code. Its backticks are not next to letters, where they stand for apostrophes, and are on the same line. */
const LINE = /(?<![\w`])`([^`\n]+)`(?![\w`])/g
/** What may follow an opening fence on its line: the name of a language, or nothing. */
const LANGUAGE = /^[\w+#.-]*$/

/** Splits a text into code (between fences, or between single backticks) and the plain text around it. */
export function codeParts(text: string): CodePart[] {
  const parts: CodePart[] = []
  let done = 0
  for (;;) {
    const open = text.indexOf(FENCE, done)
    const close = open < 0 ? -1 : text.indexOf(FENCE, open + FENCE.length)
    if (close < 0) break
    const from = open + FENCE.length
    const inside = text.slice(from, close)
    const [start, stop] = codeWithin(inside)
    const code = inside.slice(start, stop)
    const end = close + FENCE.length
    if (code.trim() === '') {
      addLines(parts, text.slice(done, end), done)
    } else {
      // A block is shown on lines of its own, so the line breaks around its fences are dropped.
      addLines(parts, text.slice(done, open).replace(/\n$/, ''), done)
      parts.push({ text: code, kind: 'block', start: from + start })
    }
    done = end + (code.trim() !== '' && text[end] === '\n' ? 1 : 0)
  }
  addLines(parts, text.slice(done), done)
  return parts
}

/** A range of a text, in UTF-16 code units. */
export interface Range {
  readonly start: number
  readonly end: number
}

/**
 * Renders a text for places that cannot format code, such as a list: drops the backticks, puts each block on lines of its own
 * and moves `ranges` along. The parts of a range that were backticks are cut off.
 */
export function withoutBackticks(text: string, ranges: readonly Range[] = []): { text: string; ranges: Range[] } {
  let plain = ''
  let before: CodePart | undefined
  const moved: Range[] = []
  for (const part of codeParts(text)) {
    if (before !== undefined && (before.kind === 'block' || part.kind === 'block')) plain += '\n'
    const shift = plain.length - part.start
    const stop = part.start + part.text.length
    for (const range of ranges) {
      const start = Math.max(range.start, part.start)
      const end = Math.min(range.end, stop)
      if (start < end) moved.push({ start: start + shift, end: end + shift })
    }
    plain += part.text
    before = part
  }
  return { text: plain, ranges: moved }
}

/** Finds the code between two fences, without the rest of the fences' own lines. */
function codeWithin(inside: string): [start: number, end: number] {
  const first = inside.indexOf('\n')
  const start = first >= 0 && LANGUAGE.test(inside.slice(0, first).trim()) ? first + 1 : 0
  const last = inside.lastIndexOf('\n')
  const end = last >= start && inside.slice(last).trim() === '' ? last : inside.length
  return [start, end]
}

function addLines(parts: CodePart[], text: string, start: number): void {
  let done = 0
  const addText = (end: number) => {
    if (end > done) parts.push({ text: text.slice(done, end), kind: 'text', start: start + done })
  }
  for (const { 0: whole, 1: code = '', index } of text.matchAll(LINE)) {
    if (code.trim() === '') continue
    addText(index)
    parts.push({ text: code, kind: 'line', start: start + index + 1 })
    done = index + whole.length
  }
  addText(text.length)
}

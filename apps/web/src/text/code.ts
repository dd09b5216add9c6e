export interface CodePart {
  readonly text: string
  /** `line`: a few words of code in a line; `block`: lines of their own. The backticks are no part of either. */
  readonly kind: 'text' | 'line' | 'block'
  /** The part's place in the text. */
  readonly start: number
}

const FENCE = '```'
/** Not between letters, where a backtick stands for an apostrophe. Neither end looks past its line. */
const LINE = /(?<![\w`])`([^`\n]+)`(?![\w`])/g
/** What may stand behind an opening fence: the name of a language, or nothing. */
const LANGUAGE = /^[\w+#.-]*$/

/** A text in parts, those that are code told from the rest: between three backticks, or between one and the next. */
export function codeParts(text: string): CodePart[] {
  const parts: CodePart[] = []
  let done = 0
  for (;;) {
    const open = text.indexOf(FENCE, done)
    const close = open < 0 ? -1 : text.indexOf(FENCE, open + FENCE.length)
    if (close < 0) break
    const from = open + FENCE.length
    const code = withoutFences(text.slice(from, close))
    const end = close + FENCE.length
    if (code.trim() === '') {
      addLines(parts, text.slice(done, end), done)
    } else {
      // A block stands in lines of its own already.
      addLines(parts, text.slice(done, open).replace(/\n$/, ''), done)
      parts.push({ text: code, kind: 'block', start: from })
    }
    done = end + (code.trim() !== '' && text[end] === '\n' ? 1 : 0)
  }
  addLines(parts, text.slice(done), done)
  return parts
}

/** Of what is between two fences, what is not of their own lines. */
function withoutFences(inside: string): string {
  const lines = inside.split('\n')
  if (lines.length > 1 && LANGUAGE.test(lines[0]?.trim() ?? '')) lines.shift()
  if (lines.length > 1 && lines.at(-1)?.trim() === '') lines.pop()
  return lines.join('\n')
}

function addLines(parts: CodePart[], text: string, start: number): void {
  let done = 0
  const addText = (end: number) => {
    if (end > done) parts.push({ text: text.slice(done, end), kind: 'text', start: start + done })
  }
  for (const { 0: whole, 1: code = '', index } of text.matchAll(LINE)) {
    if (code.trim() === '') continue
    addText(index)
    parts.push({ text: code, kind: 'line', start: start + index })
    done = index + whole.length
  }
  addText(text.length)
}

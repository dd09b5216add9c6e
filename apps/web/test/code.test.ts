import { describe, expect, it } from 'vitest'
import { codeParts } from '../src/text/code.ts'

/** The parts as one text: code in a line in <>, a block in []. */
const told = (text: string) =>
  codeParts(text)
    .map((part) => ({ text: part.text, line: `<${part.text}>`, block: `[${part.text}]` })[part.kind])
    .join('')

describe('code in a message', () => {
  it.each([
    ['run `npm start`, then `npm test`.', 'run <npm start>, then <npm test>.'],
    ['(`a`)', '(<a>)'],
    ['用`ls`看', '用<ls>看'],
    ['Look:\n```\na\n  b\n```\nDone', 'Look:[a\n  b]Done'],
    ['```ts\nconst a = 1\n```', '[const a = 1]'],
    ['```one line```', '[one line]'],
    ['```a\n\nb```', '[\nb]'],
    ['```\n`x`\n``` and `y`', '[`x`] and <y>'],
  ])('is found in %j', (text, parts) => {
    expect(told(text)).toBe(parts)
  })

  it.each([
    'it`s and that`s',
    '` `',
    '``',
    '``a``',
    '`a\nb`',
    'one ` alone',
    '```',
    '``````',
    '```\n\n```',
    '```a',
    '',
  ])('is not found in %j', (text) => {
    expect(told(text)).toBe(text)
  })

  it('has a place of its own for each part', () => {
    const starts = codeParts('a `b` c\n```\nd\n```\n`e` ```f```').map(({ start }) => start)
    expect(new Set(starts).size).toBe(starts.length)
    expect(starts).toEqual([...starts].sort((a, b) => a - b))
  })

  it.each(['`', '`a', '```', '``` ', '` ', '`\n', '``` \n'])(
    'is looked for in no time in a text full of %j',
    (mark) => {
      const began = performance.now()
      codeParts(mark.repeat(50_000))
      codeParts(`${mark.repeat(25_000)}x${mark.repeat(24_999)}`)
      codeParts(`\`${' '.repeat(100_000)}`)
      codeParts(`\`\`\`${' \t'.repeat(50_000)}\`\`\``)
      expect(performance.now() - began).toBeLessThan(500)
    },
  )
})

import { describe, expect, it } from 'vitest'
import { codeParts, withoutBackticks } from '../src/code.ts'

/** Joins the parts into one text, with inline code in <> and blocks in []. */
const annotated = (text: string) =>
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
    expect(annotated(text)).toBe(parts)
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
    expect(annotated(text)).toBe(text)
  })

  it('gives each part a distinct start', () => {
    const starts = codeParts('a `b` c\n```\nd\n```\n`e` ```f```').map(({ start }) => start)
    expect(new Set(starts).size).toBe(starts.length)
    expect(starts).toEqual([...starts].sort((a, b) => a - b))
  })

  it.each(['`', '`a', '```', '``` ', '` ', '`\n', '``` \n'])('is found in linear time in a text full of %j', (mark) => {
    // The CPU time of this thread alone, so that other load on the machine does not count.
    const before = process.threadCpuUsage()
    codeParts(mark.repeat(50_000))
    codeParts(`${mark.repeat(25_000)}x${mark.repeat(24_999)}`)
    codeParts(`\`${' '.repeat(100_000)}`)
    codeParts(`\`\`\`${' \t'.repeat(50_000)}\`\`\``)
    const { user } = process.threadCpuUsage(before)
    expect(user / 1_000).toBeLessThan(500)
  })
})

describe('a text without its backticks', () => {
  it.each([
    ['run `npm start`, then `npm test`.', 'run npm start, then npm test.'],
    ['Look:\n```ts\na\n  b\n```\nDone', 'Look:\na\n  b\nDone'],
    ['Look: ```a``` and ```b```', 'Look: \na\n and \nb'],
    ['it`s and that`s', 'it`s and that`s'],
    ['``', '``'],
    ['', ''],
  ])('reads %j as %j', (text, plain) => {
    expect(withoutBackticks(text).text).toBe(plain)
  })

  it('moves the ranges along and cuts off backticks', () => {
    const text = 'find `me` here\n```ts\nconst me = 1\n```\nand me'
    const rangesOf = (pattern: RegExp) =>
      Array.from(text.matchAll(pattern), ({ 0: it, index }) => ({ start: index, end: index + it.length }))
    const marked = (pattern: RegExp) => {
      const plain = withoutBackticks(text, rangesOf(pattern))
      expect(plain.text).toBe('find me here\nconst me = 1\nand me')
      return plain.ranges.map(({ start, end }) => plain.text.slice(start, end))
    }
    expect(marked(/me/g)).toEqual(['me', 'me', 'me'])
    expect(marked(/d `me` h|ts\ncon/g)).toEqual(['d ', 'me', ' h', 'con'])
    expect(marked(/`|ts/g)).toEqual([])
  })
})

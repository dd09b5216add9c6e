import { expect, it } from 'vitest'
import { tokenisePlain } from '../src/search/plain-terms.ts'
import { tokenise, tokeniseAny } from '../src/search/terms.ts'

/** All ASCII characters. Parts and joiners of words are added so that they occur more often than the rest. */
const ASCII = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))
const PARTS = [
  'a',
  'B',
  'mail',
  'Don',
  't',
  '7',
  '42',
  '1000',
  "'",
  '`',
  '-',
  '.',
  ',',
  '_',
  '@',
  ' ',
  '  ',
  '\n',
  '#',
  '*',
]
const LONG = ['x'.repeat(63), 'Y'.repeat(64), 'z'.repeat(65), '9'.repeat(64), '9'.repeat(70), `${'8'.repeat(64)}a`]
const OTHERS = [
  'é',
  'ß',
  'İ',
  '’',
  '‘',
  '\u2010',
  '\u00ad',
  '\u200d',
  '👍🏽',
  '1️⃣',
  '©',
  'مرحبا',
  '中文',
  'สวัสดี',
  '٣',
  '＇',
  '\ufe0f',
  '\u0301',
]

function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function randomText(random: (below: number) => number, alphabets: readonly (readonly string[])[]): string {
  return Array.from({ length: random(24) }, () => {
    const alphabet = alphabets[random(alphabets.length)] ?? []
    return alphabet[random(alphabet.length)] ?? ''
  }).join('')
}

it('finds in ASCII text what the patterns for all scripts find', () => {
  const random = randomNumbers(1)
  for (let n = 0; n < 20_000; n++) {
    const text = randomText(random, [PARTS, PARTS, PARTS, ASCII, n % 4 === 0 ? LONG : PARTS])
    expect(tokenisePlain(text, n % 7), JSON.stringify(text)).toEqual(tokeniseAny(text, n % 7))
  }
})

it('leaves any other text to those patterns', () => {
  const random = randomNumbers(2)
  for (let n = 0; n < 5_000; n++) {
    const text = randomText(random, [PARTS, PARTS, OTHERS])
    const plain = tokenisePlain(text, 1)
    expect(plain === null, JSON.stringify(text)).toBe(/[^\0-\x7f]/.test(text))
    expect(tokenise(text, 1), JSON.stringify(text)).toEqual(tokeniseAny(text, 1))
  }
})

it.each([
  ["Don't e-mail 1,000.50 to a-b-c-d or a-b-c-d-e", ['dont', 'email', '100050', 'abcd']],
  ['1,000a 3.x x.3 1..2 a--b 12-', []],
])('joins the words of %s', (text, joined) => {
  const { tokens } = tokenise(text)
  const words = text.match(/[a-z0-9]+/gi)?.length ?? 0
  expect(tokens.slice(words).map(({ term }) => term)).toEqual(joined)
})

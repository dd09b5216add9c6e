import { describe, expect, it } from 'vitest'
import { linkify } from '../src/text/linkify.ts'

const links = (text: string) => linkify(text).flatMap(({ text: shown, href }) => (href === null ? [] : [[shown, href]]))

describe('linkify', () => {
  it.each([
    ['see https://example.com/a?b=1.', [['https://example.com/a?b=1', 'https://example.com/a?b=1']]],
    [
      '(https://en.wikipedia.org/wiki/Parley_(film))',
      [['https://en.wikipedia.org/wiki/Parley_(film)', 'https://en.wikipedia.org/wiki/Parley_(film)']],
    ],
    [
      'www.example.com, or HTTP://EXAMPLE.COM',
      [
        ['www.example.com', 'https://www.example.com/'],
        ['HTTP://EXAMPLE.COM', 'http://example.com/'],
      ],
    ],
    ['write to ana@example.com!', [['ana@example.com', 'mailto:ana@example.com']]],
    ['mailto:ana@example.com', [['mailto:ana@example.com', 'mailto:ana@example.com']]],
    [
      'انظر https://example.com/مرحبا، ثم',
      [['https://example.com/مرحبا', 'https://example.com/%D9%85%D8%B1%D8%AD%D8%A8%D8%A7']],
    ],
  ])('finds the addresses in %s', (text, found) => {
    expect(links(text)).toEqual(found)
  })

  it.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'xhttps://example.com',
    'file:///etc/passwd vbscript:x ftp://example.com',
    'https:// and www. and mailto:',
    'a/b@c d@e',
  ])('finds none in %s', (text) => {
    expect(links(text)).toEqual([])
  })

  it('ends a URL before characters that could hide another one', () => {
    expect(links('https://example.com/\u202egnp.exe')).toEqual([['https://example.com/', 'https://example.com/']])
    expect(links('https://example.com/"onclick="x')).toEqual([['https://example.com/', 'https://example.com/']])
    expect(links('<https://example.com>')).toEqual([['https://example.com', 'https://example.com/']])
  })

  it('loses nothing of any text', () => {
    const texts = [
      '',
      'plain',
      '<b>x</b> https://a.example https://b.example',
      '))) www.a.example)))',
      'a@b.example@c.example',
    ]
    for (const text of texts) {
      const parts = linkify(text)
      expect(parts.map((part) => part.text).join('')).toBe(text)
      for (const part of parts) expect(text.startsWith(part.text, part.start)).toBe(true)
    }
  })

  it.each([
    ['without an address', `${'a.'.repeat(50_000)} ${'('.repeat(50_000)} http://${'a)'.repeat(20_000)}`],
    ['of one letter', 'a'.repeat(100_000)],
    ['that closes what it has not opened', `www.example.com/${'])'.repeat(50_000)}`],
  ])('takes a long text %s in no time', (_what, text) => {
    const began = performance.now()
    linkify(text)
    expect(performance.now() - began).toBeLessThan(500)
  })
})

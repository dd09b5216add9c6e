import { describe, expect, it } from 'vitest'
import { initialChunks } from '../initial-size.ts'
import { personIn } from '../src/session/demo.ts'

describe('what was kept of a demo person', () => {
  it('is not trusted', () => {
    expect(personIn('{"id":"a","fullName":"A"}')).toEqual({ id: 'a', fullName: 'A' })
    for (const text of [null, '', '{', 'null', '[]', '{"id":1,"fullName":"A"}', '{"id":"a"}']) {
      expect(personIn(text)).toBeNull()
    }
  })
})

describe('the limit on initial JavaScript', () => {
  it('counts entries and their static imports, once each', () => {
    const chunk = (fileName: string, imports: string[], isEntry = false) => ({
      fileName,
      imports,
      isEntry,
      code: fileName,
    })
    const chunks = [chunk('main', ['a', 'b'], true), chunk('a', ['b']), chunk('b', ['a']), chunk('later', ['a'])]
    expect(initialChunks(chunks).map(({ fileName }) => fileName)).toEqual(['main', 'a', 'b'])
  })
})

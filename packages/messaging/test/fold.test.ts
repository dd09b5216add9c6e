import { expect, it } from 'vitest'
import { foldText } from '../src/fold.ts'

it.each([
  ['Café', 'cafe'],
  ['ＡＢＣ', 'abc'],
  ['مُحَمَّد', 'محمد'],
  ['مـــحمد', 'محمد'],
  ['İstanbul', 'istanbul'],
  ['  Ahmed ', 'ahmed'],
])('folds %s to %s', (text, folded) => {
  expect(foldText(text)).toBe(folded)
})

import { expect, it } from 'vitest'
import { foldText } from '../src/fold.ts'

it.each([
  ['Café', 'cafe'],
  ['ＡＢＣ', 'abc'],
  ['مُحَمَّد', 'محمد'],
  ['مـــحمد', 'محمد'],
  ['İstanbul', 'istanbul'],
  ['  Ahmed ', 'ahmed'],
  ['Straße', 'strasse'],
  ['ΟΔΟΣ', 'οδοσ'],
  ['Ørsted Łódź', 'orsted lodz'],
  ['أحمد إبراهيم آمال ٱلله', 'احمد ابراهيم امال الله'],
  ['٢٠٢٥ ২০২৫ २०२५', '2025 2025 2025'],
  ['می\u200cخواهم', 'ميخواهم'],
])('folds %s to %s', (text, folded) => {
  expect(foldText(text)).toBe(folded)
})

it.each([
  ['বাংলা', 'বাংলা'],
  ['কাল', 'কাল'],
  ['दिल्ली', 'दिल्ली'],
  ['กำลัง', 'กําลัง'],
  ['がぎぐ', 'がぎぐ'],
  ['한국', '한국'],
])('keeps the vowel and voicing signs of %s', (text, folded) => {
  expect(foldText(text)).toBe(folded)
})

it.each([
  ['हिन्दी', 'हिंदी'],
  ['ज़रूर', 'जरूर'],
  ['हूँ', 'हूं'],
])('folds the spellings %s and %s to the same text', (one, other) => {
  expect(foldText(one)).toBe(foldText(other))
})

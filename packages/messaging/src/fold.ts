/**
 * Marks that people leave out or add at will, by script. Marks of Indic, Thai and other scripts are vowels and stay.
 * Latin, Greek and Cyrillic accents; Hebrew points; Arabic vowels, hamza and Quranic signs, tatweel; the nukta of
 * Devanagari, where writers differ; variation selectors.
 */
const MARKS =
  /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u093c]|[\ufe00-\ufe0f]/gu

/** Letters that are one to a reader but have no decomposition in Unicode. */
const ALIKE = new Map([
  ['ς', 'σ'],
  ['ø', 'o'],
  ['ł', 'l'],
  ['đ', 'd'],
  ['ð', 'd'],
  ['ħ', 'h'],
  ['æ', 'ae'],
  ['œ', 'oe'],
  ['þ', 'th'],
  // Alef wasla; alef with hamza or madda has lost its mark by now.
  ['ٱ', 'ا'],
  ['ى', 'ي'],
  ['ی', 'ي'],
  ['ک', 'ك'],
  ['ة', 'ه'],
  // Candrabindu is often written as anusvara.
  ['ँ', 'ं'],
])
const LETTERS = new RegExp(`[${[...ALIKE.keys()].join('')}]`, 'gu')

/** हिन्दी and हिंदी: a nasal before another consonant is written in full or as anusvara. */
const NASAL_BEFORE_CONSONANT = /[नमङञण]\u094d(?=[\u0915-\u0939])/gu

const DIGIT = /\p{Nd}/gu
/** Most words: nothing but the letter case to fold, at a tenth of the cost. */
const PLAIN = /^[\x20-\x7e]*$/

/**
 * Folds text for comparing: compatibility forms (NFKC), letter case, accents, Arabic vowel marks, alef forms and
 * tatweel, digits of any script and invisible joiners are made equal; vowel signs that carry meaning are kept. The same
 * for what is stored and for what is looked for, so the database's locale plays no part.
 */
export function foldText(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase().trim()
  return (
    text
      .normalize('NFKD')
      .replaceAll(MARKS, '')
      .replaceAll(/\p{Cf}/gu, '')
      // By way of the capital: ß becomes ss, and ı becomes i.
      .toUpperCase()
      .toLowerCase()
      .replaceAll(LETTERS, (letter) => ALIKE.get(letter) ?? letter)
      .replaceAll(NASAL_BEFORE_CONSONANT, 'ं')
      .replaceAll(DIGIT, digitValue)
      .normalize('NFKC')
      .trim()
  )
}

/** Unicode keeps the ten digits of each script together and in order, so the distance from the first tells the value. */
function digitValue(digit: string): string {
  if (digit >= '0' && digit <= '9') return digit
  let value = 0
  for (let code = (digit.codePointAt(0) ?? 0) - 1; isDigit(code); code--) value++
  return String(value % 10)
}

function isDigit(code: number): boolean {
  return /^\p{Nd}$/u.test(String.fromCodePoint(code))
}

/**
 * Marks that writers may omit: Latin, Greek and Cyrillic accents; Hebrew points; Arabic vowels, hamza and Quranic signs,
 * tatweel; the Devanagari nukta, where usage varies; variation selectors. Marks of Indic, Thai and other scripts are vowels
 * and are kept.
 */
const MARKS =
  /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u093c]|[\ufe00-\ufe0f]/gu

/** Letters that readers treat as equal but that have no Unicode decomposition. */
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
  // Alef wasla. Alef with hamza or madda has already lost its mark.
  ['ٱ', 'ا'],
  ['ى', 'ي'],
  ['ی', 'ي'],
  ['ک', 'ك'],
  ['ة', 'ه'],
  // Candrabindu is often written as anusvara.
  ['ँ', 'ं'],
])
const LETTERS = new RegExp(`[${[...ALIKE.keys()].join('')}]`, 'gu')

/** A nasal before another consonant is written in full or as anusvara: हिन्दी and हिंदी. */
const NASAL_BEFORE_CONSONANT = /[नमङञण]\u094d(?=[\u0915-\u0939])/gu

const DIGIT = /\p{Nd}/gu
/** Most words: only case needs folding, at a tenth of the cost. */
const PLAIN = /^[\x20-\x7e]*$/

/**
 * Folds text for comparison: compatibility forms (NFKC), case, accents, Arabic vowel marks, alef forms and tatweel, digits of
 * any script and invisible joiners compare equal; vowel signs that carry meaning are kept. Applied to stored text and to
 * queries alike, so the database's locale does not matter.
 */
export function foldText(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase().trim()
  return (
    text
      .normalize('NFKD')
      .replaceAll(MARKS, '')
      .replaceAll(/\p{Cf}/gu, '')
      // Via upper case: ß becomes ss, and ı becomes i.
      .toUpperCase()
      .toLowerCase()
      .replaceAll(LETTERS, (letter) => ALIKE.get(letter) ?? letter)
      .replaceAll(NASAL_BEFORE_CONSONANT, 'ं')
      .replaceAll(DIGIT, digitValue)
      .normalize('NFKC')
      .trim()
  )
}

/** Unicode keeps the ten digits of each script contiguous and in order, so the distance from the first is the value. */
function digitValue(digit: string): string {
  if (digit >= '0' && digit <= '9') return digit
  let value = 0
  for (let code = (digit.codePointAt(0) ?? 0) - 1; isDigit(code); code--) value++
  return String(value % 10)
}

function isDigit(code: number): boolean {
  return /^\p{Nd}$/u.test(String.fromCodePoint(code))
}

/**
 * Folds text for comparing: compatibility forms (NFKC), letter case, accents, Arabic vowel marks and tatweel are made
 * equal. The same for what is stored and for what is looked for, so the database's locale plays no part.
 */
export function foldText(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/[\p{Mn}\u0640]/gu, '')
    .toLowerCase()
    .normalize('NFKC')
    .trim()
}

import type { z } from 'zod'

type Issue = z.core.$ZodRawIssue

/** What authors of clients call zod's types. */
const TYPES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
}
const FORMATS: Readonly<Record<string, string>> = { guid: 'a UUID', url: 'a URL' }

/**
 * Describes what is wrong with a field for the author of a client, whom zod's default messages would tell what zod expected and
 * received. A schema's own message takes precedence over this. Returns undefined if zod's message will do.
 */
export function problemWords(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue)
    case 'invalid_format':
      return issue.format in FORMATS ? `must be ${FORMATS[issue.format]}` : undefined
    case 'invalid_value':
      return issue.input === undefined ? 'is missing' : `must be one of ${issue.values.map(String).join(', ')}`
    case 'too_small':
      return `must ${bound(issue.origin, 'at least', issue.minimum)}`
    case 'too_big':
      return `must ${bound(issue.origin, 'at most', issue.maximum)}`
    default:
      return undefined
  }
}

function wrongType({ expected, input }: Extract<Issue, { code: 'invalid_type' }>): string | undefined {
  if (input === undefined) return 'is missing'
  return expected in TYPES ? `must be ${TYPES[expected]}` : undefined
}

const COUNTED: Readonly<Record<string, string>> = { string: 'character', array: 'item' }

function bound(origin: string, word: string, limit: number | bigint): string {
  const counted = COUNTED[origin]
  if (counted === undefined) return `be ${word} ${limit}`
  return `have ${word} ${limit} ${counted}${limit === 1 ? '' : 's'}`
}

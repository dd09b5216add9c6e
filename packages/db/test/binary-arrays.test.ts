import { expect, it } from 'vitest'
import { int8Array, intArray, textArray, uuidArray } from '../src/binary-arrays.ts'

/** The header that array_recv() reads: dimensions, null flag, element type, length, lower bound. */
const header = (nulls: number, type: number, length: number) => {
  const fields = [1, nulls, type, length, 1].map((field) => field.toString(16).padStart(8, '0'))
  return fields.join('')
}

it.each([
  ['an empty array', [], `${header(0, 25, 0)}`],
  ['an empty text', [''], `${header(0, 25, 1)}00000000`],
  ['a null', [null], `${header(1, 25, 1)}ffffffff`],
  ['a null among others', ['a', null, 'bc'], `${header(1, 25, 3)}0000000161ffffffff000000026263`],
  ['quotes and backslashes as they are', ['"{\\,'], `${header(0, 25, 1)}00000004227b5c2c`],
  ['characters of one to four bytes', ['aé字😀'], `${header(0, 25, 1)}0000000a61c3a9e5ad97f09f9880`],
  ['a lone surrogate as U+FFFD', ['\ud800'], `${header(0, 25, 1)}00000003efbfbd`],
])('text: %s', (_, values, hex) => {
  expect(textArray(values).toString('hex')).toBe(hex)
})

it('encodes UUIDs', () => {
  expect(uuidArray(['01234567-89ab-cdef-0123-456789abcdef']).toString('hex')).toBe(
    `${header(0, 2950, 1)}000000100123456789abcdef0123456789abcdef`,
  )
})

it.each(['', '01234567', '01234567-89ab-cdef-0123-456789abcdeg', '01234567-89ab-cdef-0123-456789abcdef0'])(
  'rejects %j as a UUID',
  (value) => {
    expect(() => uuidArray([value])).toThrow(TypeError)
  },
)

it('encodes integers', () => {
  expect(intArray([1, -1, 2 ** 31 - 1]).toString('hex')).toBe(
    `${header(0, 23, 3)}000000040000000100000004ffffffff000000047fffffff`,
  )
})

it('encodes large integers', () => {
  expect(int8Array([1, -1, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER]).toString('hex')).toBe(
    `${header(0, 20, 4)}00000008000000000000000100000008ffffffffffffffff00000008000001000000000500000008001fffffffffffff`,
  )
})

/**
 * Arrays in Postgres' binary form, a Buffer each: node-pg sends a Buffer as it is and says so. An array as text is quoted
 * element by element here and parsed character by character there; see docs/PERFORMANCE.md for what that costs. Nothing
 * tells the server the type of such a parameter but the statement, which has to cast it (`$1::text[]`).
 * @see array_recv() in Postgres' src/backend/utils/adt/arrayfuncs.c
 */

/** Object ids of the element types, from pg_type.dat: fixed for all versions. */
const INT4 = 23
const INT8 = 20
const TEXT = 25
const UUID = 2950

/** Dimensions, nulls, type, length and lower bound. */
export const HEADER_BYTES = 20
const LENGTH_BYTES = 4
const UUID_BYTES = 16
const NULL_LENGTH = -1
/** A UTF-16 unit is at most three bytes of UTF-8; a pair of them is four. */
const MOST_BYTES_PER_UNIT = 3
/** Up to here a loop over ASCII is faster than a call of Buffer's write(). */
const SHORT = 40

/** For a parameter of type text[]; elements may be null. Lone surrogates become U+FFFD, as everywhere in Node. */
export function textArray(values: readonly (string | null)[]): Buffer {
  let most = HEADER_BYTES
  let nulls = 0
  for (const value of values) {
    if (value === null) nulls = 1
    most += LENGTH_BYTES + (value?.length ?? 0) * MOST_BYTES_PER_UNIT
  }
  const buffer = Buffer.allocUnsafe(most)
  let at = writeHeader(buffer, TEXT, values.length, nulls)
  for (const value of values) {
    const bytes = value === null ? NULL_LENGTH : writeText(buffer, value, at + LENGTH_BYTES)
    at = writeInt(buffer, bytes, at)
    if (bytes > 0) at += bytes
  }
  return buffer.subarray(0, at)
}

/**
 * For a parameter of type uuid[].
 * @throws {TypeError} where one is not 36 characters with hexadecimal digits in their places; what is between them is not looked at
 */
export function uuidArray(values: readonly string[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + UUID_BYTES))
  let at = writeHeader(buffer, UUID, values.length, 0)
  for (const value of values) at = writeUuid(buffer, value, writeInt(buffer, UUID_BYTES, at))
  return buffer
}

/** For a parameter of type int[]. */
export function intArray(values: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + 4))
  let at = writeHeader(buffer, INT4, values.length, 0)
  for (const value of values) at = writeInt(buffer, value, writeInt(buffer, 4, at))
  return buffer
}

/** For a parameter of type bigint[]; whole numbers that are exact. */
export function int8Array(values: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + 8))
  let at = writeHeader(buffer, INT8, values.length, 0)
  for (const value of values) {
    at = writeInt(buffer, Math.floor(value / 2 ** 32), writeInt(buffer, 8, at))
    at = writeInt(buffer, value % 2 ** 32, at)
  }
  return buffer
}

/** One dimension that begins at 1; also where it is empty, which Postgres takes for '{}'. */
export function writeHeader(buffer: Buffer, elementType: number, length: number, nulls: number): number {
  let at = writeInt(buffer, 1, 0)
  at = writeInt(buffer, nulls, at)
  at = writeInt(buffer, elementType, at)
  at = writeInt(buffer, length, at)
  return writeInt(buffer, 1, at)
}

/** As Buffer's writeInt32BE, which is three times as slow: it checks what it is given. @returns where it ends */
function writeInt(buffer: Buffer, value: number, at: number): number {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
  return at + 4
}

/** @returns how many bytes it takes */
function writeText(buffer: Buffer, value: string, at: number): number {
  const { length } = value
  if (length > SHORT) return buffer.write(value, at)
  for (let i = 0; i < length; i++) {
    const unit = value.charCodeAt(i)
    if (unit > 127) return buffer.write(value, at)
    buffer[at + i] = unit
  }
  return length
}

const NO_DIGIT = 255
/** The value of a hexadecimal digit by its character. */
const DIGITS = Uint8Array.from({ length: 128 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase())
  return digit === -1 ? NO_DIGIT : digit
})

/** Where the digits of each byte begin: hyphens are in between. */
const UUID_DIGITS = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34)

function writeUuid(buffer: Buffer, value: string, at: number): number {
  let bits = 0
  for (let byte = 0; byte < UUID_BYTES; byte++) {
    const from = UUID_DIGITS[byte] ?? 0
    const high = DIGITS[value.charCodeAt(from)] ?? NO_DIGIT
    const low = DIGITS[value.charCodeAt(from + 1)] ?? NO_DIGIT
    bits |= high | low
    buffer[at + byte] = (high << 4) | low
  }
  if (bits > 15 || value.length !== 36) throw new TypeError(`not a UUID: ${value}`)
  return at + UUID_BYTES
}

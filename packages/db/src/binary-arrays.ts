/**
 * Encodes arrays in Postgres' binary format. node-pg sends a Buffer parameter unchanged, as binary; it would quote a plain
 * array element by element, and the server would parse it character by character (docs/PERFORMANCE.md has the cost).
 * The server learns the type of such a parameter only from the statement, which must cast it (`$1::text[]`).
 * @see array_recv() in Postgres' src/backend/utils/adt/arrayfuncs.c
 */

/** OIDs of the element types, from pg_type.dat; the same in every version of Postgres. */
const INT4 = 23
const INT8 = 20
const TEXT = 25
const UUID = 2950

/** Dimensions, null flag, element type, length and lower bound: five 32-bit integers. */
export const HEADER_BYTES = 20
const LENGTH_BYTES = 4
const UUID_BYTES = 16
const NULL_LENGTH = -1
/** A UTF-16 code unit takes at most three bytes of UTF-8; a surrogate pair takes four. */
const MOST_BYTES_PER_UNIT = 3
/** Up to this length, copying ASCII in a loop is faster than calling Buffer.write(). */
const SHORT = 40

/** Encodes a text[] parameter; elements may be null. Lone surrogates become U+FFFD, as everywhere in Node. */
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
 * Encodes a uuid[] parameter.
 * @throws {TypeError} if a value is not 36 characters long or lacks a hexadecimal digit where one belongs; the hyphens are
 *   not checked
 */
export function uuidArray(values: readonly string[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + UUID_BYTES))
  let at = writeHeader(buffer, UUID, values.length, 0)
  for (const value of values) at = writeUuid(buffer, value, writeInt(buffer, UUID_BYTES, at))
  return buffer
}

/** Encodes an int[] parameter. */
export function intArray(values: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + 4))
  let at = writeHeader(buffer, INT4, values.length, 0)
  for (const value of values) at = writeInt(buffer, value, writeInt(buffer, 4, at))
  return buffer
}

/** Encodes a bigint[] parameter from safe integers. */
export function int8Array(values: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + 8))
  let at = writeHeader(buffer, INT8, values.length, 0)
  for (const value of values) {
    at = writeInt(buffer, Math.floor(value / 2 ** 32), writeInt(buffer, 8, at))
    at = writeInt(buffer, value % 2 ** 32, at)
  }
  return buffer
}

/**
 * Writes the header of a one-dimensional array with lower bound 1. Postgres reads one of length 0 as '{}'.
 * @returns the offset after the header
 */
export function writeHeader(buffer: Buffer, elementType: number, length: number, nulls: number): number {
  let at = writeInt(buffer, 1, 0)
  at = writeInt(buffer, nulls, at)
  at = writeInt(buffer, elementType, at)
  at = writeInt(buffer, length, at)
  return writeInt(buffer, 1, at)
}

/** Does what Buffer.writeInt32BE does without its range checks, three times as fast. @returns the offset after the integer */
function writeInt(buffer: Buffer, value: number, at: number): number {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
  return at + 4
}

/** @returns the number of bytes written */
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
/** The value of each hexadecimal digit, indexed by its character code. */
const DIGITS = Uint8Array.from({ length: 128 }, (_, code) => {
  const digit = '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase())
  return digit === -1 ? NO_DIGIT : digit
})

/** Where the two digits of each byte begin in a UUID's text, past the hyphens. */
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

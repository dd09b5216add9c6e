/**
 * Arrays in Postgres' binary form, a Buffer each: node-pg sends a Buffer as it is and says so. An array as text is quoted
 * element by element here and parsed character by character there; see docs/PERFORMANCE.md for what that costs. Nothing
 * tells the server the type of such a parameter but the statement, which has to cast it (`$1::text[]`).
 * @see array_recv() in Postgres' src/backend/utils/adt/arrayfuncs.c
 */

/** Object ids of the element types, from pg_type.dat: fixed for all versions. */
const INT4 = 23
const TEXT = 25
const UUID = 2950

const HEADER_BYTES = 20
const LENGTH_BYTES = 4
const NULL_LENGTH = -1
/** A UTF-16 unit is at most three bytes of UTF-8; a pair of them is four. */
const MOST_BYTES_PER_UNIT = 3

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
    const bytes = value === null ? NULL_LENGTH : buffer.write(value, at + LENGTH_BYTES)
    at = buffer.writeInt32BE(bytes, at)
    if (bytes > 0) at += bytes
  }
  return buffer.subarray(0, at)
}

/**
 * For a parameter of type uuid[].
 * @throws {TypeError} where one is not 32 hexadecimal digits with or without hyphens
 */
export function uuidArray(values: readonly string[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + 16))
  let at = writeHeader(buffer, UUID, values.length, 0)
  for (const value of values) {
    at = buffer.writeInt32BE(16, at)
    const digits = value.replaceAll('-', '')
    if (digits.length !== 32 || buffer.write(digits, at, 'hex') !== 16) throw new TypeError(`not a UUID: ${value}`)
    at += 16
  }
  return buffer
}

/** For a parameter of type int[]. */
export function intArray(values: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * (LENGTH_BYTES + 4))
  let at = writeHeader(buffer, INT4, values.length, 0)
  for (const value of values) {
    at = buffer.writeInt32BE(4, at)
    at = buffer.writeInt32BE(value, at)
  }
  return buffer
}

/** One dimension that begins at 1; also where it is empty, which Postgres takes for '{}'. */
function writeHeader(buffer: Buffer, elementType: number, length: number, hasNulls: number): number {
  let at = buffer.writeInt32BE(1)
  for (const field of [hasNulls, elementType, length, 1]) at = buffer.writeInt32BE(field, at)
  return at
}

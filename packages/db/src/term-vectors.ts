import { hash } from 'node:crypto'

/*
 * Messages' terms in the binary formats of Postgres (array_send, tsvectorrecv and their like in its sources): nothing has to
 * be quoted here or parsed there.
 */

const UUID = { oid: 2950, bytes: 16 }
const INT8 = { oid: 20, bytes: 8 }
const TSVECTOR_OID = 3614
/** Dimensions, nulls, type, length and lower bound of an array. */
const ARRAY_HEAD = 20

/** A uuid[] parameter. */
export function uuidArray(ids: readonly string[]): Buffer {
  const buffer = Buffer.allocUnsafe(ARRAY_HEAD + ids.length * (4 + UUID.bytes))
  let at = writeArrayHead(buffer, UUID.oid, ids.length)
  for (const id of ids) {
    at = buffer.writeInt32BE(UUID.bytes, at)
    at += buffer.write(id.replaceAll('-', ''), at, 'hex')
  }
  return buffer
}

/** An int8[] parameter. */
export function int8Array(numbers: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(ARRAY_HEAD + numbers.length * (4 + INT8.bytes))
  let at = writeArrayHead(buffer, INT8.oid, numbers.length)
  for (const number of numbers) {
    at = buffer.writeInt32BE(INT8.bytes, at)
    at = buffer.writeInt32BE(Math.floor(number / 2 ** 32), at)
    at = buffer.writeUInt32BE(number % 2 ** 32, at)
  }
  return buffer
}

/** What stands in a tsvector: terms with their positions in rising order, each term behind `place`. */
export interface PlacedTerms {
  place: string
  terms: ReadonlyMap<string, readonly number[]>
}

/** A tsvector[] parameter. */
export function tsvectorArray(vectors: readonly PlacedTerms[]): Buffer {
  let buffer = Buffer.allocUnsafe(ARRAY_HEAD + 512 * vectors.length)
  let at = writeArrayHead(buffer, TSVECTOR_OID, vectors.length)
  for (const { place, terms } of vectors) {
    const start = at
    at = buffer.writeInt32BE(terms.size, reserve(at, 8) + 4)
    for (const [term, positions] of terms) {
      // At most three bytes for each unit of UTF-16.
      reserve(at, 3 * (place.length + term.length) + 3 + 2 * positions.length)
      at += buffer.write(place + term, at)
      buffer[at++] = 0
      at = buffer.writeUInt16BE(positions.length, at)
      for (const position of positions) at = buffer.writeUInt16BE(position, at)
    }
    buffer.writeInt32BE(at - start - 4, start)
  }
  return buffer.subarray(0, at)

  function reserve(from: number, bytes: number): number {
    if (from + bytes <= buffer.length) return from
    const larger = Buffer.allocUnsafe(2 * buffer.length + bytes)
    buffer.copy(larger, 0, 0, from)
    buffer = larger
    return from
  }
}

/** Where the terms of a conversation's slice stand in the index: search_place() of the migrations. */
export function searchPlace(conversationId: string, slice: number): string {
  const key = Buffer.allocUnsafe(UUID.bytes + INT8.bytes)
  key.write(conversationId.replaceAll('-', ''), 'hex')
  key.writeBigInt64BE(BigInt(slice), UUID.bytes)
  return hash('sha256', key, 'base64').slice(0, 6)
}

function writeArrayHead(buffer: Buffer, oid: number, length: number): number {
  let at = buffer.writeInt32BE(1)
  at = buffer.writeInt32BE(0, at)
  at = buffer.writeInt32BE(oid, at)
  at = buffer.writeInt32BE(length, at)
  return buffer.writeInt32BE(1, at)
}

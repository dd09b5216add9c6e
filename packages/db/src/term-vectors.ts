import { hash } from 'node:crypto'
import { HEADER_BYTES, writeHeader } from './binary-arrays.ts'

/*
 * Encodes messages' terms in Postgres' binary formats (see array_recv and tsvectorrecv in its sources), so that nothing has
 * to be quoted here or parsed there.
 */

const TSVECTOR = 3614
const UUID_BYTES = 16

/** The content of a tsvector: terms, each prefixed with `place`, with their positions in ascending order. */
export interface PlacedTerms {
  place: string
  terms: ReadonlyMap<string, readonly number[]>
}

/** Encodes a tsvector[] parameter. */
export function tsvectorArray(vectors: readonly PlacedTerms[]): Buffer {
  let buffer = Buffer.allocUnsafe(HEADER_BYTES + 512 * vectors.length)
  let at = writeHeader(buffer, TSVECTOR, vectors.length, 0)
  for (const { place, terms } of vectors) {
    const start = at
    at = buffer.writeInt32BE(terms.size, reserve(at, 8) + 4)
    for (const [term, positions] of terms) {
      // At most three bytes for each UTF-16 code unit.
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

/** Returns the prefix of a slice's terms in the index, as search_place() of the migrations does. */
export function searchPlace(conversationId: string, slice: number): string {
  const key = Buffer.allocUnsafe(UUID_BYTES + 8)
  key.write(conversationId.replaceAll('-', ''), 'hex')
  key.writeBigInt64BE(BigInt(slice), UUID_BYTES)
  return hash('sha256', key, 'base64').slice(0, 6)
}

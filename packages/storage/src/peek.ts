/**
 * Reads the beginning of a stream, and returns it together with an equivalent of the whole stream.
 * @param count the number of bytes to read, or fewer if the stream ends before; `head` has at most this many
 */
export async function peek(
  source: AsyncIterable<Buffer>,
  count: number,
): Promise<{ head: Buffer; source: AsyncIterable<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]()
  const chunks: Buffer[] = []
  let size = 0
  while (size < count) {
    const { done, value } = await iterator.next()
    if (done) break
    chunks.push(value)
    size += value.length
  }
  async function* whole(): AsyncGenerator<Buffer> {
    try {
      for (let chunk = chunks.shift(); chunk !== undefined; chunk = chunks.shift()) yield chunk
      for (;;) {
        const { done, value } = await iterator.next()
        if (done) return
        yield value
      }
    } finally {
      await iterator.return?.()
    }
  }
  return { head: Buffer.concat(chunks).subarray(0, count), source: whole() }
}

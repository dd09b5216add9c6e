/**
 * Counts the parts of a picture file: segments, chunks, boxes, frames, directories. The cost of parsing a file depends on their
 * number, not on its pixels, and no library limits it: a JPEG of 25 MB in four million segments took 1.7 GB, a TIFF with 600,000
 * directories 33 s, a WebP with as many frames minutes. Cameras and programs write a hundred or so; an animation has two for
 * each frame.
 */
const MAX_PARTS = 10_000
/** The weight of a compressed part of a PNG: its few kilobytes may inflate to 8 MB. */
const COMPRESSED_WEIGHT = 100

/** Yields the weight of each part. Every step advances in the file; the generator ends where the file makes no sense. */
type Parts = (file: Buffer) => Generator<number>

/** The formats: their magic bytes, where these are in the file, and how to walk the parts. */
const FORMATS: readonly { at: number; magic: string; parts: Parts }[] = [
  { at: 0, magic: '\xff\xd8\xff', parts: jpegSegments },
  { at: 0, magic: '\x89PNG\r\n\x1a\n', parts: pngChunks },
  { at: 0, magic: 'GIF8', parts: gifBlocks },
  { at: 8, magic: 'WEBP', parts: riffChunks },
  { at: 4, magic: 'ftyp', parts: heifBoxes },
  { at: 0, magic: 'II*\0', parts: tiffDirectories },
  { at: 0, magic: 'MM\0*', parts: tiffDirectories },
]

/** Whether a picture has a format whose parts can be counted, and no more of them than real pictures have. */
export function isReadable(bytes: Uint8Array): boolean {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const format = FORMATS.find(({ at, magic }) => file.toString('latin1', at, at + magic.length) === magic)
  if (format === undefined) return false
  let sum = 0
  for (const weight of format.parts(file)) {
    sum += weight
    if (sum > MAX_PARTS) return false
  }
  return true
}

const END_OF_JPEG = 0xd9

/** @see https://www.w3.org/Graphics/JPEG/itu-t81.pdf annex B */
function* jpegSegments(file: Buffer): Generator<number> {
  for (let at = nextMarker(file, 0); at + 4 <= file.length; at = nextMarker(file, at)) {
    if (file[at + 1] === END_OF_JPEG) return
    yield 1
    at += 2 + file.readUInt16BE(at + 2)
  }
}

/**
 * Returns the position of the next marker that has a length, or the end of the file. Image data lies between segments, so every
 * byte is checked. Fill bytes, stuffed bytes, TEM, restart markers and the start of the image have no length.
 */
function nextMarker(file: Buffer, from: number): number {
  const last = file.length - 1
  for (let at = from; at < last; at++) {
    if (file[at] !== 0xff) continue
    const code = file[at + 1] ?? 0
    if (code > 0x01 && code !== 0xff && (code < 0xd0 || code > 0xd8)) return at
  }
  return file.length
}

/** @see https://www.w3.org/TR/png-3/#5Chunk-layout */
function* pngChunks(file: Buffer): Generator<number> {
  for (let at = 8; at + 8 <= file.length; at += 12 + file.readUInt32BE(at)) {
    yield /^(zTXt|iTXt|iCCP)$/.test(file.toString('latin1', at + 4, at + 8)) ? COMPRESSED_WEIGHT : 1
  }
}

/** @see https://developers.google.com/speed/webp/docs/riff_container */
function* riffChunks(file: Buffer): Generator<number> {
  for (let at = 12; at + 8 <= file.length; ) {
    yield 1
    const size = file.readUInt32LE(at + 4)
    at += 8 + size + (size % 2)
  }
}

/** Walks the top-level boxes; libheif limits those within. @see ISO/IEC 14496-12, section 4.2 */
function* heifBoxes(file: Buffer): Generator<number> {
  for (let at = 0; at + 16 <= file.length; ) {
    yield 1
    const size = file.readUInt32BE(at)
    // 1: a 64-bit size follows the name; 0: the box extends to the end of the file.
    const length = size === 1 ? Number(file.readBigUInt64BE(at + 8)) : size
    if (length < 8) return
    at += length
  }
}

const [EXTENSION, IMAGE] = [0x21, 0x2c]

/** @see https://www.w3.org/Graphics/GIF/spec-gif89a.txt */
function* gifBlocks(file: Buffer): Generator<number> {
  let at = 13 + colorTableBytes(file[10])
  while (at + 10 <= file.length) {
    const kind = file[at]
    if (kind !== EXTENSION && kind !== IMAGE) return
    yield 1
    at += kind === EXTENSION ? 2 : 11 + colorTableBytes(file[at + 9])
    at = endOfSubBlocks(file, at)
  }
}

/** Returns the end of a GIF block's data: sub-blocks of up to 255 bytes, terminated by an empty one. */
function endOfSubBlocks(file: Buffer, from: number): number {
  let at = from
  for (let size = file[at] ?? 0; size > 0; size = file[at] ?? 0) at += 1 + size
  return at + 1
}

/** Returns the size in bytes of the color table that these flags describe. */
function colorTableBytes(flags = 0): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0
}

/**
 * Walks the directories; a cyclic chain exceeds the limit.
 * @see https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf section 2
 */
function* tiffDirectories(file: Buffer): Generator<number> {
  const isLittle = file[0] === 0x49
  const short = (at: number) => (isLittle ? file.readUInt16LE(at) : file.readUInt16BE(at))
  const long = (at: number) => (isLittle ? file.readUInt32LE(at) : file.readUInt32BE(at))
  for (let link = 4; link + 4 <= file.length; ) {
    const at = long(link)
    if (at === 0 || at + 2 > file.length) return
    yield 1
    link = at + 2 + 12 * short(at)
  }
}

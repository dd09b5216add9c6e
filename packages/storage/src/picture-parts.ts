/**
 * The parts that a picture's file is made of: segments, chunks, boxes, frames, directories. What it costs to look into a file
 * follows from how many there are, not from its pixels, and no library bounds it: a JPEG of 25 MB in four million segments
 * took 1.7 GB, a TIFF in 600,000 directories 33 s, a WebP of as many frames minutes. Cameras and programs make some hundred; an
 * animation has two for each frame.
 */
const MAX_PARTS = 10_000
/** A part of a PNG that is compressed counts for so many: its few kilobytes are unpacked to 8 MB. */
const PACKED = 100

/** Gives the weight of one part after the other. Each step moves on in the file; where it makes no sense, it has ended. */
type Parts = (file: Buffer) => Generator<number>

/** By what a file of each format is known, at which of its bytes, and what it is made of. */
const FORMATS: readonly { at: number; magic: string; parts: Parts }[] = [
  { at: 0, magic: '\xff\xd8\xff', parts: jpegSegments },
  { at: 0, magic: '\x89PNG\r\n\x1a\n', parts: pngChunks },
  { at: 0, magic: 'GIF8', parts: gifBlocks },
  { at: 8, magic: 'WEBP', parts: riffChunks },
  { at: 4, magic: 'ftyp', parts: heifBoxes },
  { at: 0, magic: 'II*\0', parts: tiffDirectories },
  { at: 0, magic: 'MM\0*', parts: tiffDirectories },
]

/** Whether this is a picture of a format whose parts can be counted, and has no more of them than pictures have. */
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
 * Where the next marker that is not without a length stands, the end of the file if there is none. Pixels lie between the
 * segments, so each byte is looked at. Without one are fill bytes, stuffed ones, TEM, restarts and the beginning.
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
    yield /^(zTXt|iTXt|iCCP)$/.test(file.toString('latin1', at + 4, at + 8)) ? PACKED : 1
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

/** The outermost ones; what is in them libheif bounds. @see ISO/IEC 14496-12, section 4.2 */
function* heifBoxes(file: Buffer): Generator<number> {
  for (let at = 0; at + 16 <= file.length; ) {
    yield 1
    const size = file.readUInt32BE(at)
    // 1: the size stands after the name, in 64 bits; 0: up to the end.
    const length = size === 1 ? Number(file.readBigUInt64BE(at + 8)) : size
    if (length < 8) return
    at += length
  }
}

const [EXTENSION, IMAGE] = [0x21, 0x2c]

/** @see https://www.w3.org/Graphics/GIF/spec-gif89a.txt */
function* gifBlocks(file: Buffer): Generator<number> {
  let at = 13 + colours(file[10])
  while (at + 10 <= file.length) {
    const kind = file[at]
    if (kind !== EXTENSION && kind !== IMAGE) return
    yield 1
    at += kind === EXTENSION ? 2 : 11 + colours(file[at + 9])
    at = endOfPieces(file, at)
  }
}

/** The data of a block of GIF: pieces of up to 255 bytes, and an empty one. */
function endOfPieces(file: Buffer, from: number): number {
  let at = from
  for (let size = file[at] ?? 0; size > 0; size = file[at] ?? 0) at += 1 + size
  return at + 1
}

/** Bytes of the table of colours that these flags speak of. */
function colours(flags = 0): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0
}

/** @see https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf section 2; a chain that bites its tail is too long */
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

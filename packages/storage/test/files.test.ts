import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'
import { describe, expect, it } from 'vitest'
import { contentDisposition, servedType } from '../src/delivery.ts'
import { missingParts, planParts, signParts } from '../src/direct.ts'
import { cleanFileName } from '../src/file-name.ts'
import { requireSize, requireType } from '../src/policy.ts'
import { Presigner } from '../src/presign.ts'
import { readPicture } from '../src/preview.ts'
import { sniffType } from '../src/sniff.ts'

it.each([
  ['report.pdf', 'report.pdf'],
  ['../../etc/passwd', 'passwd'],
  ['C:\\Users\\me\\photo.jpg', 'photo.jpg'],
  ['..', 'file'],
  ['', 'file'],
  ['.htaccess', 'htaccess'],
  ['a\0b\r\nc.txt', 'abc.txt'],
  ['invoice\u202Efdp.exe', 'invoicefdp.exe'],
  ['con.txt', '_con.txt'],
  ['a<b>:"|?*.txt', 'a_b______.txt'],
  ['\uD800lone.txt', '\uFFFDlone.txt'],
  ['cafe\u0301.txt', 'caf\u00E9.txt'],
  ['ক্‍ষ.txt', 'ক্‍ষ.txt'],
  [`${'é'.repeat(200)}.jpeg`, `${'é'.repeat(125)}.jpeg`],
])('cleans the name %j to %j', (given, kept) => {
  expect(cleanFileName(given)).toBe(kept)
  expect(Buffer.byteLength(cleanFileName(given))).toBeLessThanOrEqual(255)
})

describe('headers', () => {
  it('give the file name in ASCII and in full', () => {
    expect(contentDisposition('application/pdf', 'a b.pdf')).toBe('attachment; filename="a b.pdf"')
    expect(contentDisposition('image/png', 'naïve (1).png')).toBe(
      `inline; filename="na_ve (1).png"; filename*=UTF-8''na%C3%AFve%20%281%29.png`,
    )
    expect(contentDisposition('text/plain', '100% "x".txt')).toBe(
      `attachment; filename="100_ _x_.txt"; filename*=UTF-8''100%25%20%22x%22.txt`,
    )
  })

  it('let no browser run a file', () => {
    const active = [
      'text/html',
      'image/svg+xml',
      'application/xhtml+xml',
      'application/xml',
      'text/xml',
      'text/javascript',
      'application/javascript',
      'application/rss+xml',
    ]
    for (const type of active) {
      expect([type, servedType(type)]).toEqual([type, 'application/octet-stream'])
      expect(contentDisposition(type, 'a')).toMatch(/^attachment/)
    }
    const docx = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'
    expect([servedType('text/plain'), servedType(docx)]).toEqual(['text/plain; charset=utf-8', docx])
  })
})

describe('the type of a file', () => {
  const box = (type: string, body: Buffer) => {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(8 + body.length)
    return Buffer.concat([size, Buffer.from(type), body])
  }
  const mp4 = (handler: string) =>
    Buffer.concat([
      box('ftyp', Buffer.from('isom\0\0\0\0isomiso2')),
      box('hdlr', Buffer.concat([Buffer.alloc(8), Buffer.from(handler), Buffer.alloc(12)])),
    ])
  const webm = (codec: string) =>
    Buffer.concat([Buffer.from('1A45DFA3974286810142F7810142F2810442F381084282847765626D', 'hex'), Buffer.from(codec)])

  it.each([
    ['notes.txt', Buffer.from('hello'), 'text/plain'],
    ['empty', Buffer.alloc(0), 'text/plain'],
    ['data.csv', Buffer.from('a,b\n1,2'), 'text/csv'],
    ['page.txt', Buffer.from('\uFEFF  <!DOCTYPE HTML><p>'), 'text/html'],
    ['picture.png', Buffer.from('<?xml version="1.0"?>\n<!-- c --><svg xmlns="x"/>'), 'image/svg+xml'],
    ['feed', Buffer.from('<?xml version="1.0"?><feed/>'), 'application/xml'],
    ['harmless.html', Buffer.from('just text'), 'text/html'],
    ['random.txt', Buffer.from([1, 2, 3, 255, 254, 0]), 'application/octet-stream'],
    ['cut.txt', Buffer.from('hé').subarray(0, 2), 'text/plain'],
    ['doc.txt', Buffer.from('%PDF-1.7\n'), 'application/pdf'],
    ['voice.mp4', mp4('soun'), 'audio/mp4'],
    ['film.mp4', mp4('vide'), 'video/mp4'],
    ['voice.webm', webm('A_OPUS'), 'audio/webm'],
    ['film.webm', webm('V_VP9'), 'video/webm'],
  ])('%s is detected from its content', async (name, bytes, type) => {
    expect(await sniffType(bytes, name)).toBe(type)
  })

  it('must be an accepted one', () => {
    const allow =
      (type: string, ...types: string[]) =>
      () =>
        requireType('a', type, types)
    expect(allow('image/png', 'image/*')).not.toThrow()
    expect(allow('application/pdf', 'image/*', 'application/pdf')).not.toThrow()
    expect(allow('application/x-elf', '*/*')).not.toThrow()
    expect(allow('application/x-elf', 'image/*', 'application/pdf')).toThrow(/may not be sent/)
  })
})

it('a file may be exactly as large as the limit', () => {
  expect(() => requireSize('a', 5, 5)).not.toThrow()
  expect(() => requireSize('a', 6, 5)).toThrow(/larger than 5 bytes/)
})

/** Inserts `part` into a file `count` times at this position. */
function inserted(file: Buffer, at: number, part: Buffer, count: number): Buffer {
  return Buffer.concat([file.subarray(0, at), Buffer.alloc(part.length * count, part), file.subarray(at)])
}

function pngChunk(name: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name), data])
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  check.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, check])
}

/** Appends to a little-endian TIFF a chain of directories with one entry each, the width. */
function chainOfDirectories(file: Buffer, count: number): Buffer {
  const first = file.readUInt32LE(4)
  const all = Buffer.alloc(18 * count)
  for (let n = 0; n < count; n++) {
    all.set([1, 0, 0, 1, 4, 0, 1, 0, 0, 0, 2, 0, 0, 0], 18 * n)
    if (n + 1 < count) all.writeUInt32LE(file.length + 18 * (n + 1), 18 * n + 14)
  }
  const chained = Buffer.concat([file, all])
  chained.writeUInt32LE(file.length, first + 2 + 12 * file.readUInt16LE(first))
  return chained
}

/** Each format, with a function that inserts parts without content into a file. */
const FORMATS: [format: 'jpeg' | 'png' | 'gif' | 'webp' | 'avif' | 'tiff', (file: Buffer, count: number) => Buffer][] =
  [
    ['jpeg', (file, count) => inserted(file, 2, Buffer.from([0xff, 0xfe, 0, 2]), count)],
    ['png', (file, count) => inserted(file, 33, pngChunk('tEXt', Buffer.from('a\0b')), count)],
    ['gif', (file, count) => inserted(file, file.length - 1, Buffer.from([0x21, 0xfe, 0]), count)],
    [
      'webp',
      (file, count) => {
        const more = inserted(file, file.length, Buffer.from('junk\0\0\0\0'), count)
        more.writeUInt32LE(more.length - 8, 4)
        return more
      },
    ],
    ['avif', (file, count) => inserted(file, file.length, Buffer.from('\0\0\0\x08free'), count)],
    ['tiff', chainOfDirectories],
  ]

describe('a picture', () => {
  it('that claims to be huge is not decoded', async () => {
    const side = 12_000
    const bomb = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'white' } })
      .png()
      .toBuffer()
    // The header chunk begins at byte 8: length, "IHDR", width, height, five more bytes, checksum.
    bomb.writeUInt32BE(side, 16)
    bomb.writeUInt32BE(side, 20)
    bomb.writeUInt32BE(crc32(bomb.subarray(12, 29)), 29)
    expect(await readPicture(async () => bomb)).toEqual({ width: side, height: side, preview: null })
  })

  it('is decoded as a whole only if it has no more pixels than a camera’s', async () => {
    const picture = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: 'red' } })
    const read = async (made: Sharp) => {
      const bytes = await made.toBuffer()
      const { width, height, preview } = await readPicture(async () => bytes)
      return [width, height, preview !== null]
    }
    expect(await read(picture(4_032, 3_024).jpeg({ progressive: true }))).toEqual([4_032, 3_024, true])
    expect(await read(picture(4_100, 3_100).jpeg({ progressive: true }))).toEqual([4_100, 3_100, false])
    expect(await read(picture(4_100, 3_100).jpeg())).toEqual([4_100, 3_100, true])
    expect(await read(picture(2, 1).avif())).toEqual([2, 1, true])
    expect(await read(picture(2, 1).tiff())).toEqual([2, 1, false])
  })

  it.each(FORMATS)('with too many parts is not parsed: %s', async (format, partsAt) => {
    const bytes = await sharp({ create: { width: 2, height: 1, channels: 3, background: 'red' } })
      .toFormat(format)
      .toBuffer()
    const read = (count: number) => readPicture(async () => partsAt(bytes, count))
    expect(await read(9_900)).toMatchObject({ width: 2, height: 1 })
    expect(await read(10_001)).toEqual({ width: null, height: null, preview: null })
  })

  it('with too many compressed texts is not parsed', async () => {
    const png = await sharp({ create: { width: 2, height: 1, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    const text = pngChunk('zTXt', Buffer.concat([Buffer.from('a\0\0'), deflateSync(Buffer.alloc(1_000))]))
    const read = (count: number) => readPicture(async () => inserted(png, 33, text, count))
    expect(await read(90)).toMatchObject({ width: 2, height: 1 })
    expect(await read(101)).toEqual({ width: null, height: null, preview: null })
  })

  it('that is broken has no preview, without an error', async () => {
    const png = await sharp({ create: { width: 50, height: 50, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    expect((await readPicture(async () => png.subarray(0, 60))).preview).toBe(null)
    expect(await readPicture(async () => Buffer.from('nothing'))).toEqual({ width: null, height: null, preview: null })
    const many = await Promise.all(Array.from({ length: 10 }, () => readPicture(async () => png)))
    for (const { width, preview } of many)
      expect([width, preview?.slice(0, 23)]).toEqual([50, 'data:image/webp;base64,'])
  })
})

it('a direct upload is split into parts of the same size', () => {
  const MiB = 1024 ** 2
  expect(planParts(1)).toEqual([{ partNumber: 1, offset: 0, size: 1 }])
  expect(planParts(16 * MiB + 1).map(({ size }) => size)).toEqual([16 * MiB, 1])
  expect(planParts(1024 ** 4).length).toBeLessThanOrEqual(1_000)
  const stored = [
    { partNumber: 1, etag: 'e', size: 16 * MiB },
    { partNumber: 2, etag: 'e', size: 2 },
  ]
  expect(missingParts(planParts(16 * MiB + 1), stored)).toEqual([2])
})

it('the URLs of a direct upload are valid for as long as it takes at 1.2 Mbit/s, at most a day', () => {
  const location = { endpoint: 'https://files.example', region: 'auto', bucket: 'parley', forcePathStyle: true }
  const presigner = new Presigner(location, { accessKeyId: 'k', secretAccessKey: 's' })
  const hours = (bytes: number) => {
    const { parts, expiresAt } = signParts(presigner, 'key', 'upload', planParts(bytes), 0)
    const seconds = Number(new URL(parts[0]?.url ?? '').searchParams.get('X-Amz-Expires'))
    expect(Date.parse(expiresAt)).toBe(seconds * 1_000)
    return seconds / 3_600
  }
  expect([1, 1024 ** 3, 5 * 1024 ** 3, 1024 ** 4].map(hours)).toEqual([2, 2, 10, 24])
})

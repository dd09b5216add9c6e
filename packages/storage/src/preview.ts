import sharp, { type Metadata } from 'sharp'
import { isReadable } from './picture-parts.ts'

/** What a message says of a picture besides its address. */
export interface Picture {
  width: number | null
  height: number | null
  /** data: URL */
  preview: string | null
}

/** A picture of more bytes is not read again for a preview. */
export const PICTURE_BYTES = 25 * 1024 ** 2
/** Of a picture with more pixels only the size is told: a small file can say that it is a huge picture. */
const MAX_PIXELS = 100_000_000
/**
 * The same for one that is unpacked as a whole: a camera's 12 megapixels. That takes up to 6 bytes a pixel of a progressive
 * JPEG and 18 of an AVIF, which may itself be of a thousand bytes.
 */
const MAX_WHOLE_PIXELS = 12_500_000
/** What browsers show; of others only the size is told. */
const SHOWN: ReadonlySet<string> = new Set(['jpeg', 'png', 'gif', 'webp', 'heif'])
const PREVIEW_SIDE = 32
const NONE: Picture = { width: null, height: null, preview: null }

/** Pictures worked on at once, and those that may wait; each holds its file in memory. */
const AT_ONCE = 2
const MAX_WAITING = 32

sharp.cache(false)
sharp.concurrency(1)

let working = 0
const waiting: (() => void)[] = []

/**
 * Reads a picture's size in pixels and makes its preview, a WebP of at most 32 by 32 pixels (some 200 bytes). A file that
 * cannot be read as a picture has neither; that is no error, for it can still be sent.
 * @param read fetches the bytes; called when it is the picture's turn
 */
export async function readPicture(read: () => Promise<Uint8Array>): Promise<Picture> {
  if (working >= AT_ONCE) {
    if (waiting.length >= MAX_WAITING) return NONE
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else working++
  try {
    return await decode(await read())
  } finally {
    // The turn is handed on, or given back.
    const next = waiting.shift()
    if (next === undefined) working--
    else next()
  }
}

async function decode(bytes: Uint8Array): Promise<Picture> {
  if (!isReadable(bytes)) return NONE
  const options = { limitInputPixels: MAX_PIXELS, sequentialRead: true, failOn: 'error' } as const
  try {
    const metadata = await sharp(bytes, { ...options, limitInputPixels: false }).metadata()
    const { width, height } = metadata.autoOrient
    if (width * height > maxPixels(metadata)) return { width, height, preview: null }
    const preview = await sharp(bytes, options)
      .autoOrient()
      .resize(PREVIEW_SIDE, PREVIEW_SIDE, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 40 })
      .timeout({ seconds: 10 })
      .toBuffer()
      .catch(() => null)
    return { width, height, preview: preview && `data:image/webp;base64,${preview.toString('base64')}` }
  } catch {
    return NONE
  }
}

function maxPixels({ format, isProgressive, orientation = 1 }: Metadata): number {
  if (!SHOWN.has(format)) return 0
  // Read line by line, and made small meanwhile. A JPEG is turned after that, a PNG before.
  const isStreamed = !isProgressive && (format === 'jpeg' || (format === 'png' && orientation === 1))
  return isStreamed ? MAX_PIXELS : MAX_WHOLE_PIXELS
}

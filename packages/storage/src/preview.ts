import sharp, { type Metadata } from 'sharp'
import { isReadable } from './picture-parts.ts'

/** What a message contains about a picture besides its URL. */
export interface Picture {
  width: number | null
  height: number | null
  /** As a data: URL. */
  preview: string | null
}

/** The largest picture, in bytes, that is read again to make a preview. */
export const PICTURE_BYTES = 25 * 1024 ** 2
/** The most pixels for which a preview is made; larger pictures only get their size. A small file can claim to be huge. */
const MAX_PIXELS = 100_000_000
/**
 * The same limit for pictures that are decoded as a whole: the 12 megapixels of a camera. Decoding takes up to 6 bytes per
 * pixel for a progressive JPEG and 18 for an AVIF, whose file may be only a thousand bytes.
 */
const MAX_WHOLE_PIXELS = 12_500_000
/** Formats that browsers display; pictures in other formats only get their size. */
const DISPLAYED: ReadonlySet<string> = new Set(['jpeg', 'png', 'gif', 'webp', 'heif'])
const PREVIEW_SIDE = 32
const NONE: Picture = { width: null, height: null, preview: null }

/** How many pictures are processed at once, and how many may wait; each one being processed is in memory. */
const AT_ONCE = 2
const MAX_WAITING = 32

sharp.cache(false)
sharp.concurrency(1)

let working = 0
const waiting: (() => void)[] = []

/**
 * Reads a picture's size in pixels and makes a preview, a WebP of at most 32 by 32 pixels (some 200 bytes). A file that cannot
 * be decoded gets neither; that is not an error, since the file can still be sent.
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
    // Pass the slot on to the next one, or release it.
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
  if (!DISPLAYED.has(format)) return 0
  // Decoded line by line while being scaled down. A JPEG is rotated after scaling, a PNG before.
  const isStreamed = !isProgressive && (format === 'jpeg' || (format === 'png' && orientation === 1))
  return isStreamed ? MAX_PIXELS : MAX_WHOLE_PIXELS
}

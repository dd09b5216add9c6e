import { encodePng } from '@parley/local/png'

/** Returns a grey PNG of this size, as small as it can be. */
export function solidPng(width: number, height: number): Buffer {
  return encodePng(width, height, Buffer.alloc(width * height * 3, 0x8a))
}

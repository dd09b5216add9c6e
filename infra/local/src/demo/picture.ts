import { encodePng } from '../png.ts'

type Colour = readonly [red: number, green: number, blue: number]

const WIDTH = 1_200
const HEIGHT = 800
const SKY: readonly [Colour, Colour] = [
  [255, 214, 170],
  [120, 170, 205],
]
const SEA: readonly [Colour, Colour] = [
  [92, 150, 168],
  [22, 62, 92],
]
const SUN: Colour = [255, 241, 206]
const SAIL: Colour = [250, 248, 240]
const HULL: Colour = [150, 62, 48]

/**
 * Draws a harbour at dawn, so that the repository need not contain a photograph.
 * @param boats how many boats are out
 * @returns a PNG of 1200 by 800 pixels
 */
export function harbourPicture(boats: number): Buffer {
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3)
  for (let y = 0, at = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      for (const part of colourAt(x / WIDTH, y / HEIGHT, boats)) pixels[at++] = part
    }
  }
  return encodePng(WIDTH, HEIGHT, pixels)
}

function colourAt(x: number, y: number, boats: number): Colour {
  for (let boat = 0; boat < boats; boat++) {
    const size = 0.1 + 0.05 * (boat % 3)
    const left = 0.12 + (0.8 / boats) * boat
    const water = 0.62 + 0.09 * (boat % 3)
    const [dx, dy] = [(x - left) / size, (water - y) / size]
    if (dy > 0 && dy < 0.14 && dx > -0.45 + (0.14 - dy) && dx < 0.55 - (0.14 - dy)) return HULL
    if (dy >= 0.17 && dy < 1.2 && dx > 0.02 && dx < 0.45 * (1 - (dy - 0.17) / 1.03)) return SAIL
    if (dy >= 0.17 && dy < 1 && dx < -0.02 && dx > -0.34 * (1 - (dy - 0.17) / 0.83)) return SAIL
  }
  const horizon = 0.52
  if (y < horizon) {
    const distance = Math.hypot((x - 0.68) * 1.5, y - 0.34)
    if (distance < 0.075) return SUN
    const sky = mix(SKY[1], SKY[0], y / horizon)
    return mix(sky, SUN, Math.max(0, 0.5 - distance) * 0.9)
  }
  const depth = (y - horizon) / (1 - horizon)
  const sea = mix(SEA[0], SEA[1], depth)
  const wave = Math.sin(y * 260 + Math.sin(x * 9 + y * 40) * 2.2)
  const glitter = Math.max(0, 1 - Math.abs(x - 0.68) * (5 - 3 * depth)) * (wave > 0.55 ? 0.75 : 0.18)
  return mix(mix(sea, SKY[0], wave > 0.8 ? 0.08 : 0), SUN, glitter * (1 - depth * 0.6))
}

function mix(from: Colour, to: Colour, share: number): Colour {
  const part = (index: 0 | 1 | 2) =>
    Math.round(from[index] + (to[index] - from[index]) * Math.min(1, Math.max(0, share)))
  return [part(0), part(1), part(2)]
}

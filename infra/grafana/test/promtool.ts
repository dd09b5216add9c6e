import { execFileSync } from 'node:child_process'

/** Returns the path of promtool (Debian's package `prometheus`); null if it is not installed. */
export function findPromtool(): string | null {
  try {
    return execFileSync('sh', ['-c', 'command -v promtool'], { encoding: 'utf8' }).trim()
  } catch {
    return null
  }
}

import { execFileSync } from 'node:child_process'

/** Prometheus' own checker, of Debian's package `prometheus`; null where it is not installed. */
export function findPromtool(): string | null {
  try {
    return execFileSync('sh', ['-c', 'command -v promtool'], { encoding: 'utf8' }).trim()
  } catch {
    return null
  }
}

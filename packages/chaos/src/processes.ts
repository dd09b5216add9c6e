import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Cluster, Pod } from '@parley/testkit'

const run = promisify(execFile)
/** How much a process may have grown since its first measurement, in MB; caches fill up and heaps fluctuate. */
const GROWTH_MB = 250

function podsOf({ apis, gateways, workers }: Cluster): Pod[] {
  return [...apis, ...gateways, ...workers]
}

/** Describes the processes that have exited unexpectedly since the last call. They stay down, as nothing restarts them here. */
export function judgeCrashes(cluster: Cluster, before: Map<string, number>): string[] {
  return podsOf(cluster).flatMap(({ name, crashes }) => {
    const fresh = crashes > (before.get(name) ?? 0)
    before.set(name, crashes)
    return fresh ? [`${name} exited unexpectedly`] : []
  })
}

/** Returns the resident memory of each process in MB. A restarted process counts as a new one. */
export async function readMemory(cluster: Cluster): Promise<Map<string, number>> {
  const pods = podsOf(cluster).filter(({ running }) => running)
  const sizes = await Promise.all(
    pods.map(async ({ pid }) => Number((await run('ps', ['-o', 'rss=', '-p', String(pid)])).stdout) / 1_024),
  )
  return new Map(pods.map(({ name, pid }, index) => [`${name} (${pid})`, Math.round(sizes[index] ?? 0)]))
}

/** Describes the processes that have grown beyond the limit; sizes are in MB by process. */
export function judgeMemory(first: ReadonlyMap<string, number>, last: ReadonlyMap<string, number>): string[] {
  return [...last].flatMap(([name, size]) => {
    const before = first.get(name)
    return before !== undefined && size - before > GROWTH_MB ? [`${name} grew from ${before} to ${size} MB`] : []
  })
}

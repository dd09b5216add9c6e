import { readdir, readFile } from 'node:fs/promises'
import { readStat } from './process-usage.ts'

/** The roles of a benchmark's processes by command line; the first match counts. */
const ROLES: readonly [role: string, pattern: RegExp][] = [
  ['generator', /load\/generator\.ts/],
  ['gateways', /apps\/gateway\/|(bare|naive)-server\.ts/],
  ['api', /apps\/api\//],
  ['worker', /apps\/worker\//],
  ['postgres: log writer', /postgres: (walwriter|checkpointer|background writer)/],
  ['postgres: vacuum', /postgres: autovacuum/],
  ['postgres', /postgres/],
  ['redis', /redis-server/],
]

/** Returns the processor time that this process's descendants have used so far, in seconds by role. Linux only. */
export async function processorTimeByRole(): Promise<Map<string, number>> {
  const all = await Promise.all(
    (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map((pid) => readProcess(Number(pid))),
  )
  const known = all.filter((each) => each !== undefined)
  const family = new Set([process.pid])
  for (let before = 0; before < family.size; ) {
    before = family.size
    for (const { pid, parent } of known) if (family.has(parent)) family.add(pid)
  }
  const seconds = new Map<string, number>()
  for (const { pid, command, cpu } of known) {
    if (pid === process.pid || !family.has(pid)) continue
    const role = ROLES.find(([, pattern]) => pattern.test(command))?.[0] ?? 'other'
    seconds.set(role, (seconds.get(role) ?? 0) + cpu)
  }
  return seconds
}

/** Undefined for a process that has exited meanwhile. */
async function readProcess(pid: number) {
  try {
    const [stat, command] = await Promise.all([readStat(pid), readFile(`/proc/${pid}/cmdline`, 'utf8')])
    return { pid, command: command.replaceAll('\0', ' '), ...stat }
  } catch {
    return undefined
  }
}

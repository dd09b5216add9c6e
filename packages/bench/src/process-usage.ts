import { readFile } from 'node:fs/promises'

/** Clock ticks per second in /proc: 100 on every Linux that Node runs on. */
const TICKS = 100

/** Returns the resident memory of these processes together, in bytes. Linux only. @throws if one has exited */
export async function residentBytes(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8')
      const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
      if (kibibytes === undefined) throw new Error(`the memory of process ${pid} cannot be read`)
      return Number(kibibytes) * 1_024
    }),
  )
  return each.reduce((sum, bytes) => sum + bytes, 0)
}

/** Returns the processor time used so far by these processes together, in seconds. Linux only. */
export async function cpuSeconds(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(pids.map(readStat))
  return each.reduce((sum, { cpu }) => sum + cpu, 0)
}

/** Returns a process's parent and the processor time it has used so far, in seconds. @throws if it has exited */
export async function readStat(pid: number): Promise<{ parent: number; cpu: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // After the name in parentheses, which may contain spaces: state, parent, ..., with utime and stime as 12th and 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { parent: Number(fields[1]), cpu: (Number(fields[11]) + Number(fields[12])) / TICKS }
}

/** Returns the processor time a process has used so far, in microseconds; more precise than /proc/PID/stat. Linux only. */
export async function microsOnProcessor(pid: number): Promise<number> {
  return Number((await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ')[0]) / 1_000
}

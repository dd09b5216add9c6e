import { readFile } from 'node:fs/promises'

/** Clock ticks a second in /proc; 100 on every Linux that Node runs on. */
const TICKS = 100

/** Resident memory of processes, all together, in bytes. Linux only. @throws when one is gone */
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

/** Processor time that processes have used so far, all together, in seconds. Linux only. */
export async function cpuSeconds(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(pids.map(readStat))
  return each.reduce((sum, { cpu }) => sum + cpu, 0)
}

/** A process' parent, and the processor time that it has used so far, in seconds. @throws when it is gone */
export async function readStat(pid: number): Promise<{ parent: number; cpu: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // After the name in brackets, which may hold blanks: state, parent, ..., utime and stime as 12th and 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { parent: Number(fields[1]), cpu: (Number(fields[11]) + Number(fields[12])) / TICKS }
}

/** How long a process has run so far, in microseconds; to the nanosecond, unlike /proc/PID/stat. Linux only. */
export async function microsOnProcessor(pid: number): Promise<number> {
  return Number((await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ')[0]) / 1_000
}

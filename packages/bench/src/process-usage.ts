import { readFile } from 'node:fs/promises'

/** Clock ticks a second in /proc; 100 on every Linux that Node runs on. */
const TICKS = 100

/** Resident memory of processes, all together, in bytes. Linux only. */
export async function residentBytes(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1_024
    }),
  )
  return each.reduce((sum, bytes) => sum + bytes, 0)
}

/** Processor time that processes have used so far, all together, in seconds. Linux only. */
export async function cpuSeconds(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
      // utime and stime, the 14th and 15th field; the 2nd, a name in brackets, may hold blanks.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / TICKS
    }),
  )
  return each.reduce((sum, seconds) => sum + seconds, 0)
}

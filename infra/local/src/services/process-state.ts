import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Sends a signal. Returns false if there is no such process or it is not ours. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/** Returns whether a process is running. A zombie is not. */
export function isRunning(pid: number): boolean {
  if (!signalProcess(pid, 0)) return false
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    // There is no /proc (macOS), or it has just ended.
    return signalProcess(pid, 0)
  }
}

/** Returns a process's command line or its parent's pid, as `ps` shows them; undefined if there is no such process. */
export async function describeProcess(pid: number, column: 'args' | 'ppid'): Promise<string | undefined> {
  try {
    const { stdout } = await execute('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)])
    return stdout.trim()
  } catch {
    // No such process, or no ps, as in small containers: try /proc.
    if (column === 'args')
      return readFile(`/proc/${pid}/cmdline`, 'utf8').then(
        (line) => line.replaceAll('\0', ' '),
        () => undefined,
      )
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    return /^PPid:\s*(\d+)/m.exec(status)?.[1]
  }
}

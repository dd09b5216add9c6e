import { readFileSync } from 'node:fs'

/** Sends a signal; false when there is no such process or it is not ours. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/** Whether a process runs. One that has ended and is waited for by nobody (a zombie) does not. */
export function isRunning(pid: number): boolean {
  if (!signalProcess(pid, 0)) return false
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    // No /proc here (macOS), or it ended just now.
    return signalProcess(pid, 0)
  }
}

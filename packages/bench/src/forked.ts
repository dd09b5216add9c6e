import { fork } from 'node:child_process'
import { on, once } from 'node:events'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A part of the benchmark in a process of its own, told and heard over IPC. */
export interface Forked<Told, Says> extends AsyncDisposable {
  tell(message: Told): void
  /**
   * The next message that it says; what it said before anybody asked is kept.
   * @param ms longest wait for it
   * @throws when the process ended or was silent for too long, upon which it is killed
   */
  hear(ms: number): Promise<Says>
  /** Hangs up, upon which the program ends itself. Resolves when it is gone. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Longest that a program may take to end itself, in milliseconds. */
const END_MS = 5_000

/** @param file program that ends when its IPC channel does; what the structured clone algorithm takes may be sent either way */
export function forkProgram<Told extends object, Says>(
  file: URL,
  { args = [], env = {} }: { args?: readonly string[]; env?: Record<string, string> } = {},
): Forked<Told, Says> {
  const path = fileURLToPath(file)
  const child = fork(path, args, { serialization: 'advanced', env: { ...process.env, ...env } })
  const messages = on(child, 'message', { close: ['exit'] })
  return {
    // One that has ended meanwhile is noticed by who waits for its answer.
    tell: (message) => void child.send(message, () => undefined),
    async hear(ms) {
      const timer = setTimeout(() => child.kill(), ms)
      const { value, done } = await messages.next()
      clearTimeout(timer)
      if (done) throw new Error(`${basename(path)} ended (${child.exitCode ?? child.signalCode}) without an answer`)
      return value[0]
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
      if (child.connected) child.disconnect()
      await gone
      clearTimeout(timer)
    },
  }
}

import { fork } from 'node:child_process'
import { on, once } from 'node:events'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A part of the benchmark in a separate process, which communicates over IPC. */
export interface ForkedProgram<Sent, Received> extends AsyncDisposable {
  send(message: Sent): void
  /**
   * Returns the program's next message; earlier ones are queued.
   * @param ms the longest wait
   * @throws if the program exits, or is silent for too long, in which case it is killed
   */
  receive(ms: number): Promise<Received>
  /** Closes the channel, upon which the program exits. Resolves when it has. */
  [Symbol.asyncDispose](): Promise<void>
}

/** How long a program may take to exit, in milliseconds. */
const END_MS = 5_000

/** @param file a program that exits when its IPC channel closes. Messages may be anything that can be structurally cloned */
export function forkProgram<Sent extends object, Received>(
  file: URL,
  { args = [], env = {} }: { args?: readonly string[]; env?: Record<string, string> } = {},
): ForkedProgram<Sent, Received> {
  const path = fileURLToPath(file)
  const child = fork(path, args, { serialization: 'advanced', env: { ...process.env, ...env } })
  const messages = on(child, 'message', { close: ['exit'] })
  return {
    // If the program has exited meanwhile, receive() reports it.
    send: (message) => void child.send(message, () => undefined),
    async receive(ms) {
      const timer = setTimeout(() => child.kill(), ms)
      const { value, done } = await messages.next()
      clearTimeout(timer)
      if (done) throw new Error(`${basename(path)} exited (${child.exitCode ?? child.signalCode}) without an answer`)
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

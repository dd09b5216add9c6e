/** Runs a TypeScript program under the Node that ensureRuntime() provides, and stops it when its starter is gone. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SetupError } from './bootstrap.mjs'

const PARENT_CHECK_MS = 500

/**
 * Runs the program until it exits, and exits with its code. It shares this process's terminal and has an IPC channel, which
 * closes when this process dies. Signals are passed on; the program decides when to exit.
 *
 * @param {URL} program
 * @param {string[]} args
 * @param {() => Promise<{ node: string, env: Record<string, string | undefined> }>} ensureRuntime
 */
export async function runUnder(program, args, ensureRuntime) {
  const { node, env } = await ensureRuntime().catch((error) => {
    console.error(error instanceof SetupError ? error.message : error)
    process.exit(1)
  })
  const child = spawn(node, [fileURLToPath(program), ...args], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  watchStarters(() => child.kill('SIGTERM'))
  child.once('error', (error) => {
    console.error(`${node} could not be started: ${error.message}`)
    process.exit(1)
  })
  child.once('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
}

/**
 * Calls back when npm dies. npm passes signals on, but if it is killed with SIGKILL, its shell and this process would stay
 * behind and hold the port. Whatever started npm may exit: `nohup npm start &` outlives its terminal.
 */
function watchStarters(gone) {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  // npm runs scripts through a shell. Some shells stay in between; others replace themselves with the command.
  const viaShell = /^Name:\s*(ba|da|a|z|k)?sh$/m.test(statusOf(parent))
  const npm = viaShell ? parentOf(parent) : undefined
  const timer = setInterval(() => {
    if (process.ppid === parent && (npm === undefined || parentOf(parent) === npm)) return
    clearInterval(timer)
    gone()
  }, PARENT_CHECK_MS)
  timer.unref()
}

function parentOf(pid) {
  const [, parent] = /^PPid:\s*(\d+)/m.exec(statusOf(pid)) ?? []
  return parent === undefined ? undefined : Number(parent)
}

/** Returns a process's status from /proc; empty without /proc, in which case only the direct parent is watched. */
function statusOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

/** Runs a TypeScript program under the Node that ensureRuntime() provides, and makes it end when what started it is gone. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SetupError } from './bootstrap.mjs'

const PARENT_CHECK_MS = 500

/**
 * Runs the program to its end and leaves with its exit code. It has this process's terminal, and an IPC channel whose end
 * tells it that this process is gone. Signals are passed on; the program decides when it is done.
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
 * npm passes signals on, but one killed with SIGKILL leaves its shell and this process behind, holding the port. So when npm
 * started this, its end is watched for. What started npm may go: `nohup npm start &` outlives its terminal.
 */
function watchStarters(gone) {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  // npm runs scripts through a shell, which some shells leave in between and others replace by the command.
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

/** What /proc says of a process; empty where there is no /proc, and then only the direct parent is watched. */
function statusOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}

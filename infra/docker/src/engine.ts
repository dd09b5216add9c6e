import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export interface Ran {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program in the repository's root until it exits. Rejects if it cannot be started or takes longer than `boundMs`. */
export function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  boundMs = 60_000,
): Promise<Ran> {
  const options = { cwd: ROOT, env: { ...process.env, ...env }, timeout: boundMs, maxBuffer: 64 * 1024 ** 2 }
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error?.killed)
        reject(new Error(`${command} ${args.join(' ')} took more than ${boundMs} ms:\n${stderr.slice(-4_000)}`))
      else if (error !== null && typeof error.code !== 'number') reject(error)
      else resolve({ code: Number(error?.code ?? 0), stdout, stderr })
    })
  })
}

/**
 * Runs `docker`.
 * @returns its stdout
 * @throws when it fails
 */
export async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('docker', args)
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

/** Returns the available Compose command: the plugin, or the old standalone program. */
export async function composeCommand(): Promise<readonly [string, ...string[]]> {
  const plugin = await run('docker', ['compose', 'version'])
  return plugin.code === 0 ? ['docker', 'compose'] : ['docker-compose']
}

/**
 * Polls `ask` until it resolves to something other than undefined.
 * @param what names what is awaited, for the error
 * @throws after `boundMs`
 */
export async function until<T>(what: string, boundMs: number, ask: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + boundMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > end) throw new Error(`${what}: not within ${boundMs} ms`)
    await delay(200)
  }
}

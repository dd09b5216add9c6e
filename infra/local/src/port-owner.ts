import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { promisify } from 'node:util'

const LISTENING = '0A'

/** Thrown when the public port is not available; the message says what uses it and what to do. */
class PortError extends Error {
  override readonly name = 'PortError'
}

/**
 * Checks that the port is free.
 * @throws PortError if it is not
 */
export async function assertPortFree(host: string, port: number): Promise<void> {
  const server = createServer()
  const failure = await new Promise<Error | undefined>((resolve) => {
    server.once('error', resolve)
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
  if (failure !== undefined) throw await portError(host, port, failure)
}

/** Builds the error for a failed listen. */
export async function portError(host: string, port: number, failure: NodeJS.ErrnoException): Promise<PortError> {
  const code = failure.code ?? failure.message
  const other = 'Choose another with `npm start -- --port P`.'
  if (code === 'EACCES') return new PortError(`You do not have permission to listen on port ${port}. ${other}`)
  if (code !== 'EADDRINUSE') return new PortError(`Cannot listen on ${host}:${port} (${code}). ${other}`)
  const owner = await portOwner(port)
  const who = owner ?? `another program (\`lsof -i :${port}\` or \`ss -ltnp\` shows which)`
  return new PortError(`Port ${port} is in use by ${who}. Stop it, or c${other.slice(1)}`)
}

/** Returns which process listens on a TCP port, as `command (pid 1)`; undefined if this user cannot see it. */
async function portOwner(port: number): Promise<string | undefined> {
  const pid = process.platform === 'linux' ? await ownerFromProc(port) : await ownerFromLsof(port)
  if (pid === undefined) return undefined
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return `${command.replaceAll('\0', ' ').trim().slice(0, 80) || 'a process'} (pid ${pid})`
}

async function ownerFromProc(port: number): Promise<number | undefined> {
  const inodes = new Set<string>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of (await readFile(table, 'utf8').catch(() => '')).split('\n').slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
      if (state === LISTENING && inode && Number.parseInt(local?.split(':')[1] ?? '', 16) === port) inodes.add(inode)
    }
  }
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
      if (inodes.has(/^socket:\[(\d+)\]$/.exec(link)?.[1] ?? '')) return Number(pid)
    }
  }
  return undefined
}

async function ownerFromLsof(port: number): Promise<number | undefined> {
  const found = await promisify(execFile)('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-t']).catch(() => undefined)
  return found ? Number.parseInt(found.stdout, 10) || undefined : undefined
}

/**
 * The keeper: a process that runs one service (Postgres, Redis, a container) for a parent and does not let it outlive that
 * parent. It is started detached, so that Ctrl-C in the parent's terminal does not reach the service first, and with an IPC
 * channel, which closes however the parent dies and then makes the keeper stop the service.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { KeeperReport, KeeperRequest } from './keep.ts'

/** How long the service may take to stop, in milliseconds; Postgres may have a checkpoint to write. */
const GRACE_MS = 8_000

let service: ChildProcess | undefined
let stopSignal: NodeJS.Signals = 'SIGTERM'
let stopping = false

function report(message: KeeperReport): void {
  // The callback swallows the error of a channel that closes meanwhile.
  if (process.connected && process.send) process.send(message, () => undefined)
}

function leave(): void {
  if (process.connected) process.disconnect?.()
  process.exitCode = 0
}

function stop(): void {
  if (stopping) return
  stopping = true
  if (!service || service.exitCode !== null || service.signalCode !== null) {
    leave()
    return
  }
  service.kill(stopSignal)
  setTimeout(() => service?.kill('SIGKILL'), GRACE_MS).unref()
}

function start(request: Extract<KeeperRequest, { type: 'start' }>): void {
  stopSignal = request.stopSignal
  const child = spawn(request.command, request.args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...request.env },
    cwd: request.cwd,
    ...(request.uid === undefined ? {} : { uid: request.uid }),
    ...(request.gid === undefined ? {} : { gid: request.gid }),
  })
  service = child
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => report({ type: 'line', line }))
  }
  child.once('error', (error) => {
    report({ type: 'failed', message: error.message })
    leave()
  })
  child.once('spawn', () => report({ type: 'spawned', pid: child.pid ?? 0 }))
  // 'close', not 'exit', so that its last lines of output are reported before its end.
  child.once('close', (code, signal) => {
    report({ type: 'exit', code, signal })
    leave()
  })
}

process.on('message', (message: KeeperRequest) => {
  if (message.type === 'start') start(message)
  else stop()
})
process.on('disconnect', stop)
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
process.on('SIGHUP', () => undefined)

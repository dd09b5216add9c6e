import { fork } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Exit, Log, Running } from './keep.ts'
import { signalProcess } from './process-state.ts'

const START_BOUND_MS = 60_000

export type S3Report = { type: 'ready'; port: number } | { type: 'failed'; message: string }

/** The address and credentials of an S3 store with path-style URLs. */
export interface S3Address {
  /** http://127.0.0.1:port */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Returns the settings for a store. */
export function s3Environment(store: S3Address): Record<string, string> {
  return {
    S3_ENDPOINT: store.endpoint,
    S3_REGION: store.region,
    S3_BUCKET: store.bucket,
    S3_ACCESS_KEY_ID: store.accessKeyId,
    S3_SECRET_ACCESS_KEY: store.secretAccessKey,
    S3_FORCE_PATH_STYLE: 'true',
  }
}

/** A running S3 server with one bucket. */
export interface S3Service extends Running, S3Address {}

export interface S3Options {
  dataDir: string
  /** Default: any free port. */
  port?: number | undefined
  /** Default: parley. Created if missing, with CORS for every origin. */
  bucket?: string
  log: Log
}

/** Starts an s3rver in its own process. Rejects if it does not start. */
export async function startS3({ dataDir, port = 0, bucket = 'parley', log }: S3Options): Promise<S3Service> {
  await mkdir(dataDir, { recursive: true })
  const program = fileURLToPath(new URL('./s3-process.ts', import.meta.url))
  const child = fork(program, [dataDir, bucket, String(port)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  })
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const ready = new Promise<number>((resolve, reject) => {
    child.on('message', (report: S3Report) => {
      if (report.type === 'ready') resolve(report.port)
      else reject(new Error(`The S3 server did not start: ${report.message}`))
    })
    child.once('error', reject)
    exited.then(({ code, signal }) => reject(new Error(`The S3 server did not start (${signal ?? code})`)))
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), START_BOUND_MS)
  const chosen = await ready.finally(() => clearTimeout(timer))
  exited.then(({ code, signal }) => {
    if (code !== 0) log(`The S3 server ended (${signal ?? code})`)
  })
  return {
    endpoint: `http://127.0.0.1:${chosen}`,
    region: 'us-east-1',
    bucket,
    // The only key pair that s3rver knows.
    accessKeyId: 'S3RVER',
    secretAccessKey: 'S3RVER',
    pid: child.pid ?? 0,
    exited,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      // It exits at once on SIGTERM, unless it hangs.
      child.kill('SIGTERM')
      const force = setTimeout(() => child.kill('SIGKILL'), 3_000)
      await exited
      clearTimeout(force)
    },
    kill: (signal) => child.exitCode === null && signalProcess(child.pid ?? 0, signal),
  }
}

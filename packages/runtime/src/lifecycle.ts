import { exitWithSettingsError, SettingsError } from './config.ts'
import type { Logger } from './logger.ts'

/** Something that was started and has to be stopped: a server, a pool, a timer. */
export interface Part {
  readonly name: string
  stop(): Promise<void>
}

export interface StartedProcess {
  /** In the order they were started; they are stopped in the reverse order, one after the other. */
  parts: readonly Part[]
  /** Port for users; null for a process that serves none. */
  port: number | null
  adminPort: number
}

export interface ProcessOptions {
  name: string
  logger: Logger
  /** Starts everything. `stopping` is aborted when the stop begins, so that readiness can say so. */
  start: (context: { stopping: AbortSignal }) => Promise<StartedProcess>
  /** Milliseconds an ordered stop may take before the process ends anyway. Default 25000: below Kubernetes' 30 s. */
  forceQuitMs?: number
  /** Milliseconds for the attempt at an ordered stop after an uncaught error. Default 5000. */
  crashQuitMs?: number
  /** A further signal within this many milliseconds of the first is ignored; a later one ends the process. Default 5000. */
  signalPatienceMs?: number
}

/**
 * Pause between the stop of the last part and the exit, in milliseconds. Node can hang for good in process.exit() when V8
 * is just then compiling on another thread (https://github.com/nodejs/node/issues/54918): seen here once in three runs of
 * the whole test suite, in a gateway that nobody was left to kill. What the stop itself made hot is compiled by then.
 */
const EXIT_PAUSE_MS = 100

/**
 * Runs one process from start to exit. States: starting -> serving -> stopping -> gone.
 *
 * - serving: the parent, if there is one, gets `{type: 'ready', port, adminPort}` over IPC.
 * - stopping begins with SIGTERM, SIGINT, the end of the IPC channel (the parent died) or an uncaught error. One that
 *   comes while starting waits for the start, so that what was opened is closed again.
 * - Exit codes: 0 after a clean stop, 1 after a crash, a failed start, a part that failed to stop or a forced end, 78
 *   for wrong settings.
 *
 * Resolves when the process serves.
 */
export async function runProcess(options: ProcessOptions): Promise<void> {
  const { name, logger, start } = options
  const stopping = new AbortController()
  const starting = Promise.resolve().then(() => start({ stopping: stopping.signal }))
  const stop = createStop(options, stopping, starting)
  stop.listen()

  let started: StartedProcess
  try {
    started = await starting
  } catch (error) {
    if (error instanceof SettingsError) exitWithSettingsError(error)
    logger.fatal({ err: error }, `${name} failed to start`)
    process.exit(1)
  }
  if (stopping.signal.aborted) return
  const { port, adminPort } = started
  logger.info({ port, adminPort }, `${name} is ready`)
  // A parent that died meanwhile shows as a failed send and as 'disconnect', which is what stops the process.
  if (process.connected) process.send?.({ type: 'ready', port, adminPort }, () => undefined)
}

function createStop(options: ProcessOptions, stopping: AbortController, starting: Promise<StartedProcess>) {
  const { name, logger, forceQuitMs = 25_000, crashQuitMs = 5_000, signalPatienceMs = 5_000 } = options
  let begun: number | null = null
  let exitCode = 0

  const begin = (reason: string, limitMs: number): void => {
    if (begun !== null) return
    begun = performance.now()
    logger.info({ reason }, `${name} is stopping`)
    // If nothing keeps the event loop alive any more before the stop has settled, this is how the process ends.
    process.exitCode = 1
    setTimeout(() => {
      logger.error({ limitMs }, `${name} did not stop in time and is ended`)
      process.exit(1)
    }, limitMs).unref()
    stopping.abort()
    starting
      .then(({ parts }) => stopParts(parts, logger))
      .then(
        (failures) => setTimeout(() => process.exit(failures > 0 ? 1 : exitCode), EXIT_PAUSE_MS),
        () => process.exit(1), // the start failed: runProcess reports why
      )
  }

  const onSignal = (signal: NodeJS.Signals): void => {
    if (begun === null) {
      begin(signal, forceQuitMs)
    } else if (performance.now() - begun < signalPatienceMs) {
      logger.info({ signal }, `${name} is stopping already`)
    } else {
      logger.warn({ signal }, `${name} is ended by a further signal`)
      process.exit(1)
    }
  }

  const onCrash = (error: unknown, origin: string): void => {
    exitCode = 1
    logger.fatal({ err: error, origin }, `${name} met an uncaught error`)
    begin(origin, crashQuitMs)
  }

  return {
    listen(): void {
      process.on('SIGTERM', onSignal)
      process.on('SIGINT', onSignal)
      process.on('uncaughtException', onCrash)
      process.on('unhandledRejection', (reason) => onCrash(reason, 'unhandledRejection'))
      if (process.send) {
        process.once('disconnect', () => begin('the parent process is gone', forceQuitMs))
        if (!process.connected) begin('the parent process is gone', forceQuitMs)
      }
    },
  }
}

/** Stops the parts in reverse order. One that fails is logged and does not keep the others from being stopped. */
async function stopParts(parts: readonly Part[], logger: Logger): Promise<number> {
  let failures = 0
  for (const part of parts.toReversed()) {
    const begun = performance.now()
    try {
      await part.stop()
      logger.debug({ part: part.name, ms: Math.round(performance.now() - begun) }, 'stopped')
    } catch (error) {
      failures += 1
      logger.error({ err: error, part: part.name }, 'failed to stop')
    }
  }
  return failures
}

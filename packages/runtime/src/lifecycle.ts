import { exitWithSettingsError, SettingsError } from './config.ts'
import type { Logger } from './logger.ts'

/** Something that was started and must be stopped: a server, a pool, a timer. */
export interface Part {
  readonly name: string
  stop(): Promise<void>
}

export interface StartedProcess {
  /** In the order in which they were started; they are stopped in reverse order, one at a time. */
  parts: readonly Part[]
  /** Port for users; null if the process serves no users. */
  port: number | null
  adminPort: number
}

export interface ProcessOptions {
  name: string
  logger: Logger
  /** Starts everything. `stopping` is aborted when the shutdown begins, so that readiness can report it. */
  start: (context: { stopping: AbortSignal }) => Promise<StartedProcess>
  /** Milliseconds that an orderly shutdown may take before the process exits anyway. Default 25000: below Kubernetes' 30 s. */
  forceQuitMs?: number
  /** Milliseconds for the attempt at an orderly shutdown after an uncaught error. Default 5000. */
  crashQuitMs?: number
  /** Another signal within this many milliseconds of the first is ignored; a later one ends the process. Default 5000. */
  signalPatienceMs?: number
}

/**
 * Pause between stopping the last part and exiting, in milliseconds. Node can hang for ever in process.exit() while V8 is
 * compiling on another thread (https://github.com/nodejs/node/issues/54918): seen once in three runs of the whole test suite, in
 * a gateway that nobody was left to kill. After the pause, the code that the shutdown made hot has been compiled.
 */
const EXIT_PAUSE_MS = 100

/**
 * Runs one process from start to exit. States: starting -> serving -> stopping -> gone.
 *
 * - serving: the parent, if there is one, gets `{type: 'ready', port, adminPort}` over IPC.
 * - stopping is triggered by SIGTERM, SIGINT, the end of the IPC channel (the parent died) or an uncaught error. If that happens
 *   while starting, it waits for the start, so that everything opened is closed again.
 * - Exit codes: 0 after a clean shutdown, 1 after a crash, a failed start, a part that failed to stop or a forced exit, 78 for
 *   invalid settings.
 *
 * Resolves when the process is serving.
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
  // If the parent has died meanwhile, the send fails, and 'disconnect' stops the process.
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
    // Used if the event loop runs empty before the shutdown has finished.
    process.exitCode = 1
    setTimeout(() => {
      logger.error({ limitMs }, `${name} did not stop in time; forcing exit`)
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
      logger.warn({ signal }, `${name} got another signal; forcing exit`)
      process.exit(1)
    }
  }

  const onCrash = (error: unknown, origin: string): void => {
    exitCode = 1
    logger.fatal({ err: error, origin }, `${name} crashed with an uncaught error`)
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

/** Stops the parts in reverse order. A failure is logged and does not keep the others from being stopped. @returns failures */
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

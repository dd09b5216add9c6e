import type { ParleyClient } from './client.ts'
import { ParleyClientError } from './errors.ts'

/**
 * Resolves when a client is live.
 * @throws {ParleyClientError} TIMEOUT after `timeoutMs`, with the most recent error as its `cause`; CLOSED
 */
export function whenLive(
  client: Pick<ParleyClient, 'on' | 'state'>,
  closed: AbortSignal,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let cause: ParleyClientError | undefined
    const end = (error?: ParleyClientError) => {
      clearTimeout(timer)
      for (const stop of stops) stop()
      closed.removeEventListener('abort', onClosed)
      if (error === undefined) resolve()
      else reject(error)
    }
    const check = () => client.state.getSnapshot() === 'live' && end()
    const onError = (error: ParleyClientError) => {
      cause = error
    }
    const onClosed = () => end(new ParleyClientError('CLOSED', 'The client is closed.'))
    const onLate = () =>
      end(new ParleyClientError('TIMEOUT', `The connection was not live within ${timeoutMs} ms.`, { cause }))
    const timer = setTimeout(onLate, timeoutMs)
    const stops = [client.on('state', check), client.on('error', onError)]
    closed.addEventListener('abort', onClosed)
    if (closed.aborted) onClosed()
    else check()
  })
}

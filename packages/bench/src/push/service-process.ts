/**
 * The push service, as a separate process. Reports `ready` with its address over IPC, then answers `subscribe` with that many
 * devices and `report` with what it has received.
 */
import { startPushService, type TestDevice } from '@parley/testkit/push'

/** The number of pushes, the times of the first and last in ms since 1970, and arrivals by message if pushes are read. */
export interface Report {
  count: number
  firstAt: number
  lastAt: number
  arrivals: [messageId: string, at: number][]
}

export type Request = { type: 'subscribe'; count: number } | { type: 'report' } | { type: 'reset' }
export type Answer =
  | { type: 'ready'; origin: string; caFile: string }
  | { type: 'devices'; devices: TestDevice['subscription'][] }
  | { type: 'report'; report: Report }

const [, , vapidPublicKey = '', read = 'false'] = process.argv
const answer = (message: Answer) => process.send?.(message)

await using service = await startPushService({ vapidPublicKey, read: read === 'true' })
let before = 0
process.on('message', (request: Request) => {
  if (request.type === 'subscribe') {
    const devices = Array.from({ length: request.count }, () => service.subscribe().subscription)
    answer({ type: 'devices', devices })
  } else if (request.type === 'reset') {
    before = service.count
    service.times.length = 0
  } else {
    const arrivals = service.pushes.flatMap(({ payload, at }): Report['arrivals'] =>
      payload.kind === 'show' ? [[payload.data.messageId, at]] : [],
    )
    const { times } = service
    const report = { count: service.count - before, firstAt: times[0] ?? 0, lastAt: times.at(-1) ?? 0, arrivals }
    answer({ type: 'report', report })
  }
})
answer({ type: 'ready', origin: service.origin, caFile: service.caFile })
await new Promise<void>((resolve) => process.once('disconnect', resolve))

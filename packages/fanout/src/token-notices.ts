import type { Bus } from './bus.ts'

/** One channel for the whole cluster: revocations are rare, and every process that checks tokens listens. */
const CHANNEL = 'parley:tokens'

export interface TokenNotice {
  userId: string
  /** Tokens issued before this (milliseconds since 1970) are refused. */
  validFrom: number
}

export function publishTokenNotice(bus: Bus, { userId, validFrom }: TokenNotice): Promise<boolean> {
  return bus.publish(CHANNEL, JSON.stringify({ userId, validFrom }))
}

/** Calls back with what any process publishes, this one too. */
export function onTokenNotice(bus: Bus, listener: (notice: TokenNotice) => void, onError: (error: unknown) => void) {
  bus.subscribe(CHANNEL, (payload) => {
    try {
      listener(JSON.parse(payload.toString()) as TokenNotice)
    } catch (error) {
      onError(error)
    }
  })
}

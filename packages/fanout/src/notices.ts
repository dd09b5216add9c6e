import type { Bus } from './bus.ts'

/** What is told to every process that listens, this one too: it is rare, and one channel for the whole cluster does. */
export interface Notices<T> {
  /** Resolves to false where Redis did not take it. */
  publish(bus: Bus, notice: T): Promise<boolean>
  listen(bus: Bus, listener: (notice: T) => void, onError: (error: unknown) => void): void
}

function noticesOn<T>(channel: string): Notices<T> {
  return {
    publish: (bus, notice) => bus.publish(channel, JSON.stringify(notice)),
    listen(bus, listener, onError) {
      bus.subscribe(channel, (payload) => {
        try {
          listener(JSON.parse(payload.toString()) as T)
        } catch (error) {
          onError(error)
        }
      })
    },
  }
}

/** Tokens of a person issued before `validFrom` (milliseconds since 1970) are refused. */
export const tokenNotices = noticesOn<{ userId: string; validFrom: number }>('parley:tokens')

/** Ids of people whom the product's server has written. */
export const peopleNotices = noticesOn<readonly string[]>('parley:people')

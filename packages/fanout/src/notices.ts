import type { Bus } from './bus.ts'

/** Notices to every listening process, this one included. They are rare, so one channel for the whole cluster is enough. */
export interface Notices<T> {
  /** Resolves to false if Redis did not accept it. */
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

/** Tokens of a user issued before `validFrom` (milliseconds since 1970) are revoked. */
export const tokenNotices = noticesOn<{ userId: string; validFrom: number }>('parley:tokens')

/** Ids of users written by one of the product's servers. */
export const peopleNotices = noticesOn<readonly string[]>('parley:people')

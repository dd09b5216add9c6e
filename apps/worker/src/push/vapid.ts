import type { VapidKeys } from '@parley/runtime'
import { Recent } from '@parley/runtime/recent'
import webPush from 'web-push'

/** Lifetime of a token in seconds. RFC 8292 allows a day; this leaves room for clocks that differ. */
const LIFE_S = 12 * 3_600
/** A token with less time left than this is replaced, in seconds. */
const SPARE_S = 1_800
/** Number of push services whose tokens are kept; there are only a handful in the world. */
const KEPT = 500

/** Creates VAPID `Authorization` headers, one per push service, and reuses them while they are valid. */
export class VapidTokens {
  readonly #keys: VapidKeys
  readonly #now: () => number
  readonly #kept = new Recent<string, { header: string; until: number }>(KEPT)

  constructor(keys: VapidKeys, now: () => number = Date.now) {
    this.#keys = keys
    this.#now = now
  }

  /** @param audience the push service's origin */
  header(audience: string): string {
    const now = Math.floor(this.#now() / 1_000)
    const kept = this.#kept.get(audience)
    if (kept !== undefined && kept.until > now) return kept.header
    const { subject, publicKey, privateKey } = this.#keys
    const made = webPush.getVapidHeaders(audience, subject, publicKey, privateKey, 'aes128gcm', now + LIFE_S)
    this.#kept.set(audience, { header: made.Authorization, until: now + LIFE_S - SPARE_S })
    return made.Authorization
  }
}

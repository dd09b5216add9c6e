import type { VapidKeys } from '@parley/runtime'
import { Recent } from '@parley/runtime/recent'
import webPush from 'web-push'

/** RFC 8292 allows a day at most; push services' clocks may differ from ours. */
const LIFE_S = 12 * 3_600
/** A token with less left than this is made anew. */
const SPARE_S = 1_800
/** Push services whose tokens are kept at least; there are a handful in the world. */
const KEPT = 500

/** The `Authorization` headers of VAPID, one for each push service, used again while they last. */
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

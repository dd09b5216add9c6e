import type { Actor } from '@parley/messaging'
import { ParleyError } from '@parley/protocol'
import { LIMIT_WINDOW_MS, Windows } from '@parley/runtime/windows'

/**
 * Limits how many people one person can add to conversations in ten seconds, in this pod. Each addition is stored, announced
 * and subscribed: a group of a thousand costs the cluster 0.3 s of processor time, and a person may make 600 requests.
 */
export class AdditionLimit {
  readonly #windows: Windows
  readonly #onLimited: () => void

  /**
   * @param most people in ten seconds; 0 for any number
   * @param onLimited called for each request that is refused
   */
  constructor(most: number, onLimited: () => void) {
    this.#windows = new Windows(most, LIMIT_WINDOW_MS)
    this.#onLimited = onLimited
  }

  /**
   * Counts `people` against the limit of the person adding them. Additions made by a service are not counted.
   * @throws {ParleyError} RATE_LIMITED, with the time until more can be added
   */
  take({ id, byService }: Pick<Actor, 'id' | 'byService'>, people: number): void {
    if (byService === true) return
    const retryAfterMs = this.#windows.take(id, people)
    if (retryAfterMs === 0) return
    this.#onLimited()
    throw new ParleyError('RATE_LIMITED', { retryAfterMs })
  }
}

/*
 * The states of a user, as readers see them:
 *
 *   offline --first connection--> online --last connection closes--> leaving --grace is over--> offline
 *                                   ^  |                                |
 *                                   |  +--lease of the last gateway ends (it died)--> offline
 *                                   +-------a connection comes back-----+
 *
 * - online: the gateway of at least one connection holds its lease.
 * - leaving: no such connection, and the last one closed less than the grace ago (leaseMs if its gateway was stopping).
 *   Readers still report online.
 * - offline: neither.
 *
 * `becameOnline` is returned for offline -> online only; `onOffline` is called for both transitions to offline. leaving is
 * never reported, so a user who reloads a page does not flicker.
 *
 * Keys (all state of a user is in one hash, so that one script on one key decides, on Redis Cluster too):
 *
 *   presence:lease:<epoch>        string with a TTL: the incarnation that is alive now
 *   presence:user:<id>            hash: <incarnation>:<connection> -> <1 if visible>:<since, ms>; `left` -> time in ms from
 *                                 which the grace counts
 *   presence:people:<incarnation> set of the users with a connection there, for cleaning up after a dead gateway
 *   presence:incarnations         set of the incarnations that may have something to clean up
 *   presence:leaving              sorted set of users by the time (ms) at which the reaper should check them; only an
 *                                 index: the user's hash decides
 *   presence:origin               a random text that disappears when Redis loses its data
 *
 * An epoch is one gateway process. Its incarnation `<epoch>.<n>` changes if its lease expires while the process lives (it was
 * frozen, or Redis was down): the reaper may be removing the old one, so it is never used again.
 *
 * All times are from the clock of Redis, so that the gateways' clocks need not agree.
 */

/** Timing on which all processes of a cluster must agree, in milliseconds. */
export interface PresenceTiming {
  /** A gateway that has not renewed its lease for this long counts as dead. */
  leaseMs: number
  /** How long a user whose last connection has closed still counts as online. Shorter than `leaseMs`. */
  graceMs: number
}

export const defaultTiming: PresenceTiming = { leaseMs: 15_000, graceMs: 3_000 }

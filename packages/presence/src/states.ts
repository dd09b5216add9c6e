/*
 * The states of a person, as readers see them:
 *
 *   offline --first connection--> online --last connection closes--> leaving --grace is over--> offline
 *                                   ^  |                                |
 *                                   |  +--lease of the last gateway ends (it died)--> offline
 *                                   +-------a connection comes back-----+
 *
 * - online: some connection's gateway holds its lease.
 * - leaving: no such connection, and the last one closed less than the grace ago (leaseMs, where its gateway was stopping).
 *   Readers still say online.
 * - offline: neither.
 *
 * `becameOnline` is said for offline -> online only; `onOffline` is called for the two ways into offline. leaving is
 * never told to anybody: a person who reloads a page does not flicker.
 *
 * What is stored (all of a person's state is in one hash, so that one script on one key decides, on Redis Cluster too):
 *
 *   presence:lease:<epoch>        string with a TTL: the incarnation that is alive now
 *   presence:user:<id>            hash: <incarnation>:<connection> -> <1 if visible>:<since, ms>; `left` -> ms, from which
 *                                 the grace is counted
 *   presence:people:<incarnation> set of the people with a connection there, for cleaning up after a dead gateway
 *   presence:incarnations         set of the incarnations that may have something to clean up
 *   presence:leaving              sorted set of people by the moment (ms) at which the reaper is to look at them; only
 *                                 an index: the person's hash decides
 *   presence:origin               a random text that is gone when Redis has lost its data
 *
 * An epoch is one gateway process. Its incarnation `<epoch>.<n>` changes when its lease ended while the process lived
 * (it was frozen, or Redis was away): the reaper may be removing the old one, so that one is never taken up again.
 *
 * All moments are taken from the clock of Redis, so that the gateways' clocks need not agree.
 */

/** Milliseconds that all processes of a cluster must agree on. */
export interface PresenceTiming {
  /** A gateway that has not renewed its lease for this long counts as dead. */
  leaseMs: number
  /** How long a person whose last connection closed still counts as online. Shorter than `leaseMs`. */
  graceMs: number
}

export const defaultTiming: PresenceTiming = { leaseMs: 15_000, graceMs: 3_000 }

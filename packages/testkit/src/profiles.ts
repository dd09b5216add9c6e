/**
 * The kinds of services for a run, selected by TEST_PROFILE. `plain`: a standalone Redis and Postgres itself, without TLS. Each
 * of the others changes one thing for all tests.
 */
export const PROFILES = ['plain', 'redis-cluster', 'pgbouncer', 'tls'] as const
export type Profile = (typeof PROFILES)[number]

/** @throws if TEST_PROFILE is unknown */
export function chosenProfile(env: Readonly<Record<string, string | undefined>> = process.env): Profile {
  const name = env.TEST_PROFILE || 'plain'
  const profile = PROFILES.find((known) => known === name)
  if (profile === undefined) throw new Error(`TEST_PROFILE must be one of ${PROFILES.join(', ')}, not ${name}`)
  return profile
}

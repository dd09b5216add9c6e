/**
 * What the services of a run are. `plain`: a lone Redis and Postgres itself, without TLS. The others change one thing each,
 * for every test of the run: TEST_PROFILE names it.
 */
export const PROFILES = ['plain', 'redis-cluster', 'pgbouncer', 'tls'] as const
export type Profile = (typeof PROFILES)[number]

/** @throws where TEST_PROFILE names none */
export function chosenProfile(env: Readonly<Record<string, string | undefined>> = process.env): Profile {
  const name = env.TEST_PROFILE || 'plain'
  const profile = PROFILES.find((known) => known === name)
  if (profile === undefined) throw new Error(`TEST_PROFILE is one of ${PROFILES.join(', ')}, and not ${name}`)
  return profile
}

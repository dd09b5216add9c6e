import { keep, kept } from '../app/kept.ts'

/** A person to try the chat as, outside production. */
export interface DemoPerson {
  id: string
  fullName: string
}

/** The people of a local cluster (infra/local). */
export const DEMO_PEOPLE: readonly DemoPerson[] = [
  { id: 'ahmed', fullName: 'Ahmed Hassan' },
  { id: 'fatima', fullName: 'Fatima Rahman' },
  { id: 'mei', fullName: 'Mei Lin' },
  { id: 'sofia', fullName: 'Sofia Rossi' },
  { id: 'kwame', fullName: 'Kwame Mensah' },
]

const KEY = 'parley-demo-person'

/**
 * Returns whether the cluster offers demo sessions, which it does not in production.
 * @throws when it cannot be reached
 */
export async function demoIsOn(server: string): Promise<boolean> {
  const answer = await fetch(new URL('/api/dev/session', server))
  return answer.ok
}

/**
 * Fetches a token for a demo person.
 * @throws when the server does not create a session
 */
export async function demoToken(server: string, person: DemoPerson): Promise<string> {
  const answer = await fetch(new URL('/api/dev/session', server), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: person }),
  })
  const token = tokenIn(await answer.json().catch(() => undefined))
  if (token === undefined) throw new Error(`The server did not create a session (HTTP ${answer.status}).`)
  return token
}

function tokenIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('data' in body)) return undefined
  const { data } = body
  if (typeof data !== 'object' || data === null || !('token' in data)) return undefined
  return typeof data.token === 'string' ? data.token : undefined
}

/** Remembers the person per tab, so that two tabs can be two people. A new tab starts with the last one chosen. */
export function rememberPerson(person: DemoPerson | null): void {
  const text = JSON.stringify(person)
  keep('sessionStorage', KEY, text)
  keep('localStorage', KEY, person === null ? null : text)
}

/** Returns who last signed in in this tab, or else in this browser; null if nobody has. */
export function rememberedPerson(): DemoPerson | null {
  return personIn(kept('sessionStorage', KEY) ?? kept('localStorage', KEY))
}

/** Parses a remembered person. The text is not trusted. */
export function personIn(text: string | null): DemoPerson | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null')
    if (typeof value !== 'object' || value === null || !('id' in value) || !('fullName' in value)) return null
    const { id, fullName } = value
    return typeof id === 'string' && typeof fullName === 'string' ? { id, fullName } : null
  } catch {
    return null
  }
}

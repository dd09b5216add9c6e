import { keep, kept } from '../app/kept.ts'

/** Somebody to try the chat as, outside production. */
export interface DemoPerson {
  id: string
  fullName: string
}

/** The people whom a local cluster starts with (infra/local). */
export const DEMO_PEOPLE: readonly DemoPerson[] = [
  { id: 'ahmed', fullName: 'Ahmed Hassan' },
  { id: 'fatima', fullName: 'Fatima Rahman' },
  { id: 'mei', fullName: 'Mei Lin' },
  { id: 'sofia', fullName: 'Sofia Rossi' },
  { id: 'kwame', fullName: 'Kwame Mensah' },
]

const KEY = 'parley-demo-person'

/** Whether the cluster gives out demo sessions: not in production. Throws where it cannot be reached. */
export async function demoIsOn(server: string): Promise<boolean> {
  const answer = await fetch(new URL('/api/dev/session', server))
  return answer.ok
}

/** A token for a demo person. */
export async function demoToken(server: string, person: DemoPerson): Promise<string> {
  const answer = await fetch(new URL('/api/dev/session', server), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: person }),
  })
  const token = tokenIn(await answer.json().catch(() => undefined))
  if (token === undefined) throw new Error(`The server gave no session (HTTP ${answer.status}).`)
  return token
}

function tokenIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('data' in body)) return undefined
  const { data } = body
  if (typeof data !== 'object' || data === null || !('token' in data)) return undefined
  return typeof data.token === 'string' ? data.token : undefined
}

/** A tab keeps its person, so that two tabs can be two people; a new one begins with the last that was chosen. */
export function rememberPerson(person: DemoPerson | null): void {
  const text = JSON.stringify(person)
  keep('sessionStorage', KEY, text)
  keep('localStorage', KEY, person === null ? null : text)
}

/** Who signed in last in this tab, else in this browser; null where nobody did. */
export function rememberedPerson(): DemoPerson | null {
  return personIn(kept('sessionStorage', KEY) ?? kept('localStorage', KEY))
}

/** Reads what was kept; anybody may have written it. */
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

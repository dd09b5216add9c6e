/** The people of a local cluster, so that two windows can chat right away. */
const PEOPLE = [
  { id: 'ahmed', fullName: 'Ahmed Hassan' },
  { id: 'fatima', fullName: 'Fatima Rahman' },
  { id: 'mei', fullName: 'Mei Lin' },
  { id: 'sofia', fullName: 'Sofia Rossi' },
  { id: 'kwame', fullName: 'Kwame Mensah' },
]
const ANSWER_BOUND_MS = 10_000

export interface DemoUser {
  id: string
  fullName: string
  token: string
}

/**
 * Creates the demo users, and a token for each, through the api's development endpoint. They are then in the database, so they
 * can find each other.
 * @throws when the api offers no development sessions, for example because tokens are verified with a JWKS
 */
export function createDemoUsers(address: string): Promise<DemoUser[]> {
  return Promise.all(
    PEOPLE.map(async (user) => {
      const answer = await fetch(`${address}/api/dev/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ user }),
        signal: AbortSignal.timeout(ANSWER_BOUND_MS),
      })
      const body: unknown = await answer.json().catch(() => undefined)
      const token = tokenOf(body)
      if (token === undefined) throw new Error(`POST /api/dev/session answered ${answer.status}${messageOf(body)}`)
      return { ...user, token }
    }),
  )
}

function tokenOf(body: unknown): string | undefined {
  const data = isObject(body) && isObject(body.data) ? body.data : {}
  return typeof data.token === 'string' ? data.token : undefined
}

function messageOf(body: unknown): string {
  return isObject(body) && typeof body.message === 'string' ? `: ${body.message}` : ''
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

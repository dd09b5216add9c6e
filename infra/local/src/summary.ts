import type { DemoUser } from './demo/people.ts'

export interface SummaryOptions {
  address: string
  /** The address or host name that the edge listens on. */
  host: string
  /** Whether the chat is served. */
  webClient: boolean
  seconds: number
  gateways: readonly { name: string; pid: number; port: number }[]
  logs: string
  /** A text says why there are none. */
  users: readonly DemoUser[] | string
}

/** Returns the text printed once everything is running. Tokens and commands are on lines of their own, for easy copying. */
export function summary({ address, host, webClient, seconds, gateways, logs, users }: SummaryOptions): string {
  return [
    '',
    `Parley is running (started in ${seconds.toFixed(1)} s). Press Ctrl-C to stop it.`,
    '',
    ...(webClient ? [`Open ${address} and pick a person. Open a second window to be somebody else.`, ''] : []),
    `  Address    ${address}`,
    ...gateways.map(({ name, pid, port }) => `  ${name.padEnd(10)} pid ${pid}, port ${port}`),
    `  Logs       ${logs}`,
    '',
    ...(isLoopback(host)
      ? []
      : [`Warning: anyone who can reach ${host} can sign in as anybody. npm start is for development.`, '']),
    ...(typeof users === 'string' ? [`No demo users: ${users}`] : peopleAndCommands(address, users)),
    '',
  ].join('\n')
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

function peopleAndCommands(address: string, users: readonly DemoUser[]): string[] {
  const [first, second] = users
  if (!first || !second) return []
  const authorised = `-H "Authorization: Bearer $TOKEN"`
  const direct = JSON.stringify({ type: 'DIRECT', participantIds: [first.id, second.id] })
  return [
    'Demo users and their tokens:',
    '',
    ...users.flatMap(({ id, fullName, token }) => [`${fullName} (${id})`, token, '']),
    `Try it: get ${first.fullName}’s own profile, and open a conversation with ${second.fullName}`,
    '',
    `TOKEN=${first.token}`,
    `curl -s ${authorised} ${address}/api/users/me`,
    `curl -s ${authorised} -H "Content-Type: application/json" -d '${direct}' ${address}/api/messages/conversations`,
  ]
}

import type { DemoUser } from './demo/people.ts'

export interface SummaryOptions {
  address: string
  /** Where the edge listens: an address or a name of this machine. */
  host: string
  /** Whether the chat is served there. */
  webClient: boolean
  seconds: number
  gateways: readonly { name: string; pid: number; port: number }[]
  logs: string
  /** Why there are none, if it is a text. */
  users: readonly DemoUser[] | string
}

/** What is printed when everything runs. Tokens and commands stand on lines of their own, to be copied whole. */
export function summary({ address, host, webClient, seconds, gateways, logs, users }: SummaryOptions): string {
  return [
    '',
    `Parley runs (${seconds.toFixed(1)} s). Ctrl-C stops it.`,
    '',
    ...(webClient ? [`Open ${address} and click on somebody. A second window can be somebody else.`, ''] : []),
    `  Address    ${address}`,
    ...gateways.map(({ name, pid, port }) => `  ${name.padEnd(10)} pid ${pid}, port ${port}`),
    `  Logs       ${logs}`,
    '',
    ...(isLoopback(host) ? [] : [`Whoever reaches ${host} can sign in as anybody: npm start is for development.`, '']),
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
    'Demo users, each with a token:',
    '',
    ...users.flatMap(({ id, fullName, token }) => [`${fullName} (${id})`, token, '']),
    `To try: who am I, and open a chat of ${first.fullName} with ${second.fullName}`,
    '',
    `TOKEN=${first.token}`,
    `curl -s ${authorised} ${address}/api/users/me`,
    `curl -s ${authorised} -H "Content-Type: application/json" -d '${direct}' ${address}/api/messages/conversations`,
  ]
}

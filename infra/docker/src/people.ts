import { ParleyClient } from '@parley/client'
import type { Message } from '@parley/protocol'

/** Creates a demo person and returns a token for them. */
export async function session(url: string, id: string): Promise<string> {
  const answer = await fetch(`${url}/api/dev/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: { id, fullName: id } }),
  })
  const body: { data: { token: string } } = JSON.parse(await answer.text())
  if (!answer.ok) throw new Error(`no session: ${JSON.stringify(body)}`)
  return body.data.token
}

export interface Talk {
  readonly conversationId: string
  readonly clients: readonly ParleyClient[]
  /** Messages delivered to each client, by its index in `clients`. */
  readonly delivered: readonly Message[][]
  /** Messages whose sending was acknowledged. */
  readonly acked: readonly Message[]
  /** Makes everybody send one message after the other, with pauses, until {@link Talk.fallSilent}. */
  begin(): void
  /** Stops sending. Resolves when every message has been acknowledged and delivered to everybody. */
  fallSilent(): Promise<void>
  [Symbol.dispose](): void
}

const PAUSE_MS = 250
const CATCH_UP_MS = 45_000

/** Starts a group of SDK clients. Half of them start with polling, as stock Socket.IO clients do, and one stays with it. */
export async function startTalk(url: string, people: number): Promise<Talk> {
  const ids = Array.from({ length: people }, (_, index) => `talker-${index}`)
  const tokens = await Promise.all(ids.map((id) => session(url, id)))
  const clients = tokens.map((token, index) => {
    const transports = index === 0 ? ['polling'] : index % 2 === 0 ? ['polling', 'websocket'] : ['websocket']
    return new ParleyClient({ url, getToken: () => token, socketOptions: { transports } })
  })
  const delivered: Message[][] = clients.map(() => [])
  clients.forEach((client, index) => {
    client.on('message', (message) => delivered[index]?.push(message))
    client.connect()
  })
  await Promise.all(clients.map((client) => client.whenLive()))
  const [first] = clients
  if (first === undefined) throw new Error('nobody talks')
  const { id: conversationId } = await first.createConversation({
    type: 'GROUP',
    participantIds: ids.slice(1),
    name: 'All',
  })

  const acked: Message[] = []
  let talking = false
  let sending: Promise<void>[] = []
  const talk = async (client: ParleyClient, index: number) => {
    for (let n = 0; talking; n++) {
      acked.push(await client.send(conversationId, `${index}: ${n}`))
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
  return {
    conversationId,
    clients,
    delivered,
    acked,
    begin: () => {
      talking = true
      sending = clients.map(talk)
      // fallSilent() reports failures; a test that has ended earlier has already reported its own.
      for (const one of sending) one.catch(() => undefined)
    },
    fallSilent: async () => {
      talking = false
      await Promise.all(sending)
      const last = Math.max(...acked.map(({ seq }) => seq))
      await Promise.all(clients.map((client, index) => reached(client, delivered[index] ?? [], last)))
    },
    [Symbol.dispose]: () => {
      talking = false
      for (const client of clients) client.close()
    },
  }
}

/** Resolves when the message with this seq has been delivered to the client. */
function reached(client: ParleyClient, delivered: readonly Message[], seq: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      stop()
    }
    const timer = setTimeout(() => {
      end()
      reject(new Error(`only ${delivered.at(-1)?.seq} of ${seq} messages were delivered within ${CATCH_UP_MS} ms`))
    }, CATCH_UP_MS)
    const check = () => {
      if ((delivered.at(-1)?.seq ?? 0) < seq) return
      end()
      resolve()
    }
    const stop = client.on('message', check)
    check()
  })
}

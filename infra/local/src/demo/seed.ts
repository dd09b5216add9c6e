import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { Backdating } from './backdating.ts'
import { demoLines } from './lines.ts'
import type { DemoUser } from './people.ts'
import { harbourPicture } from './picture.ts'
import { DEMO_CONVERSATIONS, type DemoConversation } from './script.ts'

export interface SeedOptions {
  /** The cluster's public address. */
  address: string
  users: readonly DemoUser[]
  databaseUrl: string
  /** Folder in which a file marks that seeding is under way. */
  home: string
  signal: AbortSignal
}

export interface Seeded {
  conversations: number
  messages: number
}

interface Sent {
  id: string
  seq: number
}

const REQUEST_BOUND_MS = 15_000
const NOTES = `When        What I pulled        Who noticed
Monday      gateway-1            nobody
Tuesday     the worker           nobody
Wednesday   Redis, for a minute  the graphs
Thursday    the coffee machine   everybody
`

/**
 * Creates the conversations of script.ts through the public API, with the demo users' own tokens, and then backdates them.
 * Does so only in a database without conversations; an interrupted seeding is continued.
 * @returns undefined if there was nothing to do
 */
export async function seedDemo(options: SeedOptions): Promise<Seeded | undefined> {
  const underWay = join(options.home, 'demo-seeding')
  const database = new pg.Client({ connectionString: options.databaseUrl })
  await database.connect()
  try {
    const { rowCount } = await database.query('select 1 from conversations limit 1')
    if (rowCount !== 0 && !existsSync(underWay)) return undefined
    await writeFile(underWay, 'The demo conversations are being created. See infra/local/src/demo.\n')
    const seeder = new Seeder(options, new Backdating())
    await Promise.all(DEMO_CONVERSATIONS.map((conversation) => seeder.make(conversation)))
    await seeder.dates.apply(database, options.signal)
    await rm(underWay, { force: true })
    return { conversations: DEMO_CONVERSATIONS.length, messages: seeder.messages }
  } finally {
    await database.end()
  }
}

class Seeder {
  readonly dates: Backdating
  readonly #options: SeedOptions
  readonly #now = new Date()
  messages = 0

  constructor(options: SeedOptions, dates: Backdating) {
    this.#options = options
    this.dates = dates
  }

  async make(conversation: DemoConversation): Promise<void> {
    const [creator = ''] = conversation.people
    const id = (await this.#existing(conversation)) ?? (await this.#create(conversation, creator))
    const sent: Sent[] = []
    for (const [index, line] of demoLines(conversation, this.#now).entries()) {
      const path = `/api/messages/conversations/${id}/messages`
      const clientMessageId = `demo-${index}`
      const body = line.file
        ? form(line.text, clientMessageId, fileNamed(line.file))
        : JSON.stringify({ content: line.text, clientMessageId })
      const message = await this.#ask(line.person, 'POST', path, body)
      const stored = { id: text(message, 'id'), seq: number(message, 'seq') }
      sent.push(stored)
      this.dates.add(id, stored.seq, line.at)
    }
    this.messages += sent.length
    for (const person of conversation.people) {
      const read = sent.at(-1 - (conversation.unread?.[person] ?? 0))
      const body = JSON.stringify({ messageId: read?.id })
      await this.#ask(person, 'POST', `/api/messages/conversations/${id}/read`, body)
    }
  }

  async #create({ name, people }: DemoConversation, creator: string): Promise<string> {
    const kind = name === undefined ? { type: 'DIRECT' } : { type: 'GROUP', name }
    const body = JSON.stringify({ ...kind, participantIds: people })
    return text(await this.#ask(creator, 'POST', '/api/messages/conversations', body), 'id')
  }

  /** Finds a group created by an interrupted seeding. Creating a direct conversation is idempotent. */
  async #existing({ name, people: [creator = ''] }: DemoConversation): Promise<string | undefined> {
    if (name === undefined) return undefined
    const listed = await this.#ask(creator, 'GET', '/api/messages/conversations?limit=100')
    const groups: unknown[] = Array.isArray(listed) ? listed : []
    const group = groups.find((one) => typeof one === 'object' && one !== null && 'name' in one && one.name === name)
    return group === undefined ? undefined : text(group, 'id')
  }

  async #ask(person: string, method: string, path: string, body?: string | FormData): Promise<unknown> {
    const { address, users, signal } = this.#options
    const token = users.find(({ id }) => id === person)?.token
    const answer = await fetch(`${address}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}),
      },
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_BOUND_MS)]),
    })
    const reply: unknown = await answer.json()
    if (answer.ok && typeof reply === 'object' && reply !== null && 'data' in reply) return reply.data
    throw new Error(`${method} ${path} as ${person} answered ${answer.status}: ${JSON.stringify(reply)}`)
  }
}

function form(content: string, clientMessageId: string, file: File): FormData {
  const data = new FormData()
  data.set('content', content)
  data.set('clientMessageId', clientMessageId)
  data.set('file', file)
  return data
}

function fileNamed(name: string): File {
  if (name === 'notes') return new File([NOTES], 'plugs.txt', { type: 'text/plain' })
  const picture = harbourPicture(name === 'poster' ? 5 : 2)
  return new File([new Uint8Array(picture)], `harbour-${name}.png`, { type: 'image/png' })
}

function text(data: unknown, key: 'id'): string {
  const value = typeof data === 'object' && data !== null && key in data ? Object(data)[key] : undefined
  if (typeof value === 'string') return value
  throw new Error(`The api's answer has no ${key}: ${JSON.stringify(data)}`)
}

function number(data: unknown, key: 'seq'): number {
  const value = typeof data === 'object' && data !== null && key in data ? Object(data)[key] : undefined
  if (typeof value === 'number') return value
  throw new Error(`The api's answer has no ${key}: ${JSON.stringify(data)}`)
}

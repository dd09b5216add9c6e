import { randomInt } from 'node:crypto'
import type { Message, User } from '@parley/protocol'
import { dataOf, direct, group, user } from '@parley/testkit'
import { expect } from 'vitest'
import type { Stage, VisitOptions } from './stage.ts'
import type { Visitor } from './visitor.ts'

/** Creates a person with a unique name, so that searching for people finds only them. */
export function someone(firstName: string): User {
  const letters = Array.from({ length: 6 }, () => String.fromCharCode(97 + randomInt(26))).join('')
  return user(`${firstName} ${letters.charAt(0).toUpperCase()}${letters.slice(1)}`)
}

export interface PairOptions {
  /** Creates a group of this name instead of a direct conversation. */
  group?: string
  omar?: User
  lena?: User
}

/** The stage with two people and their conversation. */
export interface Pair extends Omit<Stage, typeof Symbol.asyncDispose> {
  readonly omar: User
  readonly lena: User
  /** The conversation's id. */
  readonly id: string
  /** Opens the page as this person, with the conversation open and ready for writing. */
  enter(who: User, options?: VisitOptions): Promise<Visitor>
  /** Sends a message without a page. */
  post(from: User, content: string): Promise<Message>
  /** Resolves when a search for these words finds this many messages for this person. */
  indexed(who: User, words: string, count: number): Promise<void>
}

/** Creates two people and a conversation: the start of most tests. */
export async function pair(stage: Stage, options: PairOptions = {}): Promise<Pair> {
  const { omar = someone('Omar'), lena = someone('Lena') } = options
  const { cluster, visit } = stage
  const made = options.group === undefined ? direct(cluster, omar, lena) : group(cluster, omar, [lena], options.group)
  const { id } = await made
  return {
    ...stage,
    omar,
    lena,
    id,
    enter: async (who, visiting) => {
      const visitor = await visit(who, { ...visiting, hash: `#/c/${id}` })
      await visitor.composer.waitFor()
      return visitor
    },
    post: async (from, content) =>
      dataOf(await cluster.api(from).post<Message>(`/api/messages/conversations/${id}/messages`, { content })),
    indexed: async (who, words, count) => {
      const query = new URLSearchParams({ query: words, limit: '100' })
      const found = async () => dataOf(await cluster.api(who).get<Message[]>(`/api/messages/search?${query}`)).length
      await expect.poll(found).toBe(count)
    },
  }
}

import type { Conversation, User } from '@parley/protocol'
import type { Cluster } from './cluster.ts'
import { dataOf } from './http.ts'

const PATH = '/api/messages/conversations'

/** Creates the DIRECT conversation of two people, after registering them. */
export async function direct(cluster: Cluster, a: User, b: User): Promise<Conversation> {
  await cluster.register(a, b)
  const body = { type: 'DIRECT', participantIds: [b.id] }
  return dataOf(await cluster.api(a).post<Conversation>(PATH, body))
}

/** Creates a GROUP of its owner and these members, after registering them. */
export async function group(
  cluster: Cluster,
  owner: User,
  members: readonly User[],
  name?: string,
): Promise<Conversation> {
  await cluster.register(owner, ...members)
  const body = { type: 'GROUP', participantIds: members.map((member) => member.id), ...(name && { name }) }
  return dataOf(await cluster.api(owner).post<Conversation>(PATH, body))
}

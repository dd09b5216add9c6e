import { spawnApp } from '@parley/local'
import type { LoadUser } from '../load/message.ts'
import { layOut, type Services, type Shape, uuidOf } from './subject.ts'

/** Starts two processes of a peer's server and lays its users out over them. */
export async function startPeer(entry: URL, services: Services, shape: Shape, env: Record<string, string>) {
  const log = (line: string) => console.log(line)
  const processes = await Promise.all(
    [1, 2].map((n) => spawnApp({ app: entry, env: { REDIS_URL: services.redisUrl, ...env }, name: `peer-${n}`, log })),
  )
  const gateways = processes.map((each) => `http://127.0.0.1:${each.port}`)
  const users: LoadUser[] = layOut(shape, gateways, (user, room) => ({
    auth: { userId: `user-${user}`, room: uuidOf(room) },
    conversationId: uuidOf(room),
  }))
  return { users, stop: async () => void (await Promise.all(processes.map((each) => each.stop()))) }
}

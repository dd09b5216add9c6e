import { randomUUID } from 'node:crypto'
import { spawnApp } from '@parley/local'
import type { LoadUser } from '../load/message.ts'
import { layOut, type Services, type Shape } from './subject.ts'

/** Starts the processes of a peer's server and distributes its users over them. */
export async function startPeer(entry: URL, services: Services, shape: Shape, env: Record<string, string>) {
  const log = (line: string) => console.log(line)
  // Several subjects may run at a time, so each has separate channels.
  const settings = { REDIS_URL: services.redisUrl, CHANNEL_PREFIX: randomUUID(), SHAPE: JSON.stringify(shape), ...env }
  const processes = await Promise.all(
    Array.from({ length: shape.gateways ?? 2 }, (_, n) =>
      spawnApp({ app: entry, env: settings, name: `peer-${n}`, log }),
    ),
  )
  const gateways = processes.map((each) => `http://127.0.0.1:${each.port}`)
  const users: LoadUser[] = layOut(shape, gateways, (user) => ({ auth: { userId: `user-${user}` } }))
  return {
    users,
    gatewayPids: processes.map(({ pid }) => pid),
    // It defers no work.
    settled: async () => undefined,
    stop: async () => void (await Promise.all(processes.map((each) => each.stop()))),
  }
}

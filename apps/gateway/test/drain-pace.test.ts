import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import { listenOnLoopback } from '@parley/testkit'
import type { Server, Socket } from 'socket.io'
import { expect, it, vi } from 'vitest'
import { drain } from '../src/drain.ts'
import { EventFlow } from '../src/flow.ts'

const pauses = vi.hoisted((): number[] => [])
vi.mock('node:timers/promises', () => ({ setTimeout: async (ms: number) => void pauses.push(ms) }))

/** Sockets that close as soon as they are told to. */
function socketsOf(counts: Record<string, number>) {
  const sockets = new Map<string, Socket>()
  for (const [name, count] of Object.entries(counts)) {
    for (let n = 0; n < count; n++) {
      const id = `${name} ${n}`
      const close = () => {
        sockets.delete(id)
        socket.emit('disconnect')
      }
      const data = { session: { flow: new EventFlow() } }
      const socket = Object.assign(new EventEmitter(), { data, conn: { transport: { name }, close } })
      sockets.set(id, socket as unknown as Socket)
    }
  }
  return sockets
}

it('pauses for ten seconds in total at most, whatever transports its clients use', async () => {
  const sockets = socketsOf({ polling: 6_000, websocket: 6_000 })
  const http = createServer()
  await listenOnLoopback(http)
  const io = { sockets: { sockets }, engine: { close: () => undefined } } as unknown as Server
  const presence = { drain: () => undefined } as Parameters<typeof drain>[0]['presence']
  await drain({ http, io, presence, delayMs: 2_000 })
  const [first, ...between] = pauses
  expect(first).toBe(2_000)
  expect(between.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(10_000)
  expect(sockets.size).toBe(0)
})

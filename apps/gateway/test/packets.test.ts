import { once } from 'node:events'
import { createLogger } from '@parley/runtime'
import type { Socket } from 'socket.io'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { GatewayLimits } from '../src/limits.ts'
import { GatewayMeasures } from '../src/measures.ts'
import { isCostly } from '../src/packets.ts'
import { buildServer, listen } from '../src/server.ts'

/* What a connection is closed for before it is taken apart: a body of very many packets costs more than all that they ask for. */

const PACKETS = 50
const limits = new GatewayLimits({
  SOCKET_EVENTS_PER_10S: PACKETS / 5,
  SOCKET_EVENTS_IN_FLIGHT: 10,
  HANDSHAKES_PER_10S: 0,
  HANDSHAKES_PER_ADDRESS_PER_10S: 0,
  TRUSTED_PROXIES: 0,
})
const { http, io } = buildServer(createLogger({ name: 'test', level: 'silent' }), limits, new GatewayMeasures(), {
  CORS_ORIGINS: [],
  TRUSTED_PROXIES: 0,
  KEEP_ALIVE_SECONDS: 5,
})
/** Packets that Engine.IO has taken apart, and events that Socket.IO has. */
const seen = { packets: 0, events: 0 }
let polling: string
beforeAll(async () => {
  io.engine.on('connection', ({ transport }: Socket['conn']) => transport.on('packet', () => seen.packets++))
  io.on('connection', (socket) => void socket.onAny(() => seen.events++))
  polling = `http://127.0.0.1:${await listen(http, 0, '127.0.0.1')}/socket.io/?EIO=4&transport=polling`
})
afterAll(() => io.close())
beforeEach(() => {
  seen.packets = 0
  seen.events = 0
})

/** A client that polls. */
async function open() {
  const { sid } = JSON.parse((await (await fetch(polling)).text()).slice(1))
  const post = (body: string) => fetch(`${polling}&sid=${sid}`, { method: 'POST', body })
  const connected = once(io, 'connection') as Promise<[Socket]>
  await post('40')
  const [{ conn }] = await connected
  seen.packets = 0
  return { conn, post }
}

const body = (packets: number) => Array(packets).fill('42["a"]').join('\x1e')

describe('a body', () => {
  it('of as many packets as a connection may send is taken apart', async () => {
    const { conn, post } = await open()
    expect((await post(body(PACKETS - 1))).status).toBe(200)
    await expect.poll(() => seen).toEqual({ packets: PACKETS - 1, events: PACKETS - 1 })
    expect(conn.readyState).toBe('open')
  })

  it('of more is not, nor is what the connection posts after it', async () => {
    const refused = limits.refused.counts.get('socket_packets') ?? 0
    const { conn, post } = await open()
    await post(body(100_000)).catch(() => undefined)
    expect(conn.readyState).toBe('closing')
    await post(body(PACKETS)).catch(() => undefined)
    expect(seen).toEqual({ packets: 0, events: 0 })
    expect(limits.refused.counts.get('socket_packets')).toBe(refused + 1)
  })
})

const LONG = 2 * 1024 * 1024 - 100

describe('a packet', () => {
  it.each([
    ['of very many arrays in each other', `2["a",${'['.repeat(LONG / 2)}${']'.repeat(LONG / 2)}]`],
    ['of very many objects beside each other', `2["a",[{}${',{}'.repeat(LONG / 3 - 1)}]]`],
    ['of very many numbers', `2["a",[0${',0'.repeat(LONG / 2 - 1)}]]`],
    ['of very many names', `2["a",{"b":0${',"b":0'.repeat(LONG / 6 - 1)}}]`],
    ['whose ack has a number of very many digits', `2${'1'.repeat(LONG)}["a"]`],
    ['of nested arrays behind a backslash', `2["\\\\",${'['.repeat(9_000)}${']'.repeat(9_000)}]`],
  ])('%s is not read', async (_of, packet) => {
    const { conn, post } = await open()
    await post(`4${packet}`).catch(() => undefined)
    expect(seen).toEqual({ packets: 1, events: 0 })
    expect(conn.readyState).toBe('closing')
  })

  const id = 'c0ffee00-0000-7000-8000-00000000'
  it.each([
    ['a text that is too long by far', 'a'.repeat(LONG)],
    ['a text of brackets, quotes and backslashes', '[{"\\'.repeat(LONG / 10)],
    ['objects, as many as nothing asks for', Array(900).fill({})],
    [
      'the largest sync',
      Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`${id}${1_000 + at}`, Number.MAX_SAFE_INTEGER])),
    ],
  ])('with %s is read, and answered by what says what is wrong with it', async (_with, payload) => {
    const { conn, post } = await open()
    await post(`42${JSON.stringify(['a', payload])}`)
    expect(seen).toEqual({ packets: 1, events: 1 })
    expect(conn.readyState).toBe('open')
  })

  it('that ends within a string is looked at to its end', () => {
    expect(isCostly(`2["${'[\\"'.repeat(20_000)}`)).toBe(false)
  })
})

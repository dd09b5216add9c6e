import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type ComposeCluster, OUR_ORIGIN } from '../src/compose-cluster.ts'
import { docker, run } from '../src/engine.ts'
import { session } from '../src/people.ts'
import { keepAsking, StockClients } from '../src/stock-clients.ts'

/** HAProxy's routing, its limits, and reloads. */
export function balancerCases(cluster: () => ComposeCluster): void {
  it('has a configuration without warnings', async () => {
    const [id] = await cluster().containers('haproxy')
    const check = ['haproxy', '-c', '-f', '/usr/local/etc/haproxy/haproxy.cfg']
    const { code, stderr, stdout } = await run('docker', ['exec', String(id), ...check])
    const warnings = `${stdout}${stderr}`.match(/\[(WARNING|ALERT)\].*/g)
    expect({ code, warnings }).toEqual({ code: 0, warnings: null })
  })

  it('routes to the api, the gateways and the page, but to no admin port', async () => {
    const { url } = cluster()
    const page = await fetch(`${url}/`)
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toContain('<!doctype html>')
    expect((await fetch(`${url}/api/messages/conversations`)).status).toBe(401)
    for (const path of ['/metrics', '/health/ready', '/health/live', '/queues', '/stats']) {
      expect((await fetch(url + path)).status, path).toBe(404)
    }
  })

  it('routes to processes that got their settings from Compose’s environment', async () => {
    const allowed = async (origin: string) => {
      const answer = await fetch(`${cluster().url}/api/users/me`, { headers: { origin } })
      return answer.headers.get('access-control-allow-origin')
    }
    expect([await allowed(OUR_ORIGIN), await allowed('https://evil.example')]).toEqual([OUR_ORIGIN, null])
  })

  it('refuses requests that are too large in the api’s envelope', async () => {
    const head = 'POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n'
    const answer = await rawAnswer(cluster().url, head)
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    expect(answer).toContain('"code":"PAYLOAD_TOO_LARGE"')
  })

  it('keeps a request’s own id, but logs a new one if there are several', async () => {
    const idOf = async (...lines: string[]) => {
      const head = ['GET /api/users/me HTTP/1.1', 'Host: x', 'Connection: close', ...lines, '', ''].join('\r\n')
      return /^x-request-id: (.*)\r$/im.exec(await rawAnswer(cluster().url, head))?.[1] ?? ''
    }
    expect(await idOf('X-Request-Id: 7')).toBe('7')
    const long = `${'trace:1+2/3='.repeat(10)}_.-`
    expect(await idOf(`X-Request-Id: ${long}`)).toBe(long)
    const made = [
      await idOf('X-Request-Id: fine-one', 'X-Request-Id: ","forged":"yes'),
      await idOf('X-Request-Id: a, b'),
    ]
    for (const id of made) expect(id).toMatch(/^[0-9a-f-]{36}$/)
    const [haproxy] = await cluster().containers('haproxy')
    const logged = (await docker('logs', String(haproxy))).split('\n').filter((line) => line.startsWith('{'))
    const ids = logged.map((line) => JSON.parse(line).requestId)
    expect(ids).toEqual(expect.arrayContaining(['7', long, ...made]))
    expect(logged.filter((line) => line.includes('forged'))).toEqual([])
  })

  it('does not wait for a head that never ends', async () => {
    const socket = connect(Number(new URL(cluster().url).port), '127.0.0.1')
    socket.write('GET /api/users/me HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    const closed = once(socket, 'close', { signal: AbortSignal.timeout(20_000) })
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 408 /)
    await closed
  })

  it('keeps polling clients without cookies at their gateway', async () => {
    using clients = new StockClients()
    const token = await session(cluster().url, 'poller')
    const sockets = await Promise.all(
      Array.from({ length: 24 }, () => clients.connect(cluster().url, token, ['polling'])),
    )
    const before = sockets.map(({ id }) => id)
    for (let round = 0; round < 5; round++) {
      const answers = sockets.map((socket) => socket.timeout(10_000).emitWithAck('getOnlineUsers', {}))
      for (const answer of await Promise.all(answers)) expect(answer.success).toBe(true)
    }
    expect(sockets.map(({ id }) => id)).toEqual(before)
  })

  it('spreads websockets over the gateways', async () => {
    using clients = new StockClients()
    const token = await session(cluster().url, 'socketeer')
    for (let n = 0; n < 30; n++) await clients.connect(cluster().url, token, ['websocket'])
    const held = [...(await cluster().connections('gateway')).values()]
    expect(held).toHaveLength(3)
    expect(Math.min(...held)).toBeGreaterThanOrEqual(8)
  })

  it('neither cuts sockets nor forgets polling sessions when it reloads', async () => {
    using clients = new StockClients()
    const token = await session(cluster().url, 'patient')
    const sockets = await Promise.all(
      ['websocket', 'polling', 'websocket', 'polling'].map((name) => clients.connect(cluster().url, token, [name])),
    )
    const [haproxy] = await cluster().containers('haproxy')
    const asking = keepAsking(`${cluster().url}/api/messages/conversations`)
    await docker('kill', '--signal', 'USR2', String(haproxy))
    await delay(4_000)
    // 401 is an api pod's answer to a request without a token.
    expect(await asking.end()).toEqual([401])
    for (const socket of sockets) {
      expect((await socket.timeout(10_000).emitWithAck('getOnlineUsers', {})).success).toBe(true)
    }
    expect(clients.cut).toEqual([])
  })
}

/** Sends only a request's head, and returns everything received until the connection ends. */
async function rawAnswer(url: string, head: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write(head)
  return text(socket)
}

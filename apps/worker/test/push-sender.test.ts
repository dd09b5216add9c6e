import type { LookupAddress, LookupAllOptions } from 'node:dns'
import type { RequestListener } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import { setDefaultCACertificates } from 'node:tls'
import { createTestCertificate, listenOnLoopback } from '@parley/testkit'
import { describe, expect, it, vi } from 'vitest'
import { PushSender } from '../src/push/sender.ts'
import { VapidTokens } from '../src/push/vapid.ts'

const INSIDE = 'inside.example'

// An external name that resolves to an internal address.
vi.mock('node:dns', async (original) => {
  const dns = await original<typeof import('node:dns')>()
  const lookup = (name: string, options: LookupAllOptions, callback: (error: null, found: LookupAddress[]) => void) =>
    name === INSIDE
      ? callback(null, [{ address: '10.1.2.3', family: 4 }])
      : dns.lookup(name, options, callback as never)
  return { ...dns, lookup }
})

const keys = {
  publicKey: 'BJh8jQIm0_vsvEOBJzHd93JQaFh49on1LIuDmEO56581EWO-77gb_EsUvFddcbjh8RzmLgRP5bUIN5CelYXjMKc',
  privateKey: 'euPvK6f_ME04rYWxl3dXSDlYZJj3g3Lxegn1qe389pQ',
  subject: 'mailto:push@parley.example',
}
const NOW = Date.parse('2025-12-11T10:30:00Z')

const device = (endpoint: string) => ({ endpoint, p256dh: keys.publicKey, auth: 'AAAAAAAAAAAAAAAAAAAAAA' })
const delivery = { ttlSeconds: 60, urgency: 'normal', topic: 'topic' } as const

it('reuses a VAPID token while it is valid, one per push service', () => {
  let now = NOW
  const tokens = new VapidTokens(keys, () => now)
  const first = tokens.header('https://a.example')
  expect(tokens.header('https://b.example')).not.toBe(first)
  now += 11 * 3_600_000
  expect(tokens.header('https://a.example')).toBe(first)
  now += 3_600_000
  expect(tokens.header('https://a.example')).not.toBe(first)
})

it('reaches neither private addresses, in any notation or by name, nor servers with an untrusted certificate', async () => {
  const sender = new PushSender({ keys, policy: { allowLoopback: false }, perHost: 1 })
  const testing = new PushSender({ keys, policy: { allowLoopback: true }, perHost: 1, timeoutMs: 3_000 })
  await using server = await tlsServer({})
  try {
    for (const host of ['127.0.0.1', '[::1]', '0x7f.1', 'localhost', '10.1.2.3', '[::ffff:127.0.0.1]', INSIDE]) {
      const outcome = await sender.send(device(`https://${host}:${server.port}/`), '{}', delivery)
      expect([host, outcome]).toMatchObject([host, { kind: 'refused', reason: 'address' }])
    }
    const outcome = await testing.send(device(`https://127.0.0.1:${server.port}/`), '{}', delivery)
    expect(outcome).toMatchObject({ kind: 'later', reason: 'network' })
  } finally {
    await Promise.all([sender.close(), testing.close()])
  }
})

it('does not treat a redirect as success', async () => {
  await using certificate = await createTestCertificate()
  setDefaultCACertificates([certificate.cert])
  await using server = await tlsServer(certificate, (_, response) => response.writeHead(307, { location: '/' }).end())
  const sender = new PushSender({ keys, policy: { allowLoopback: true }, perHost: 1 })
  try {
    const outcome = await sender.send(device(`https://127.0.0.1:${server.port}/`), '{}', delivery)
    expect(outcome).toEqual({ kind: 'refused', reason: '307', detail: '' })
  } finally {
    await sender.close()
  }
})

describe('an answer that trickles in', () => {
  const dripping = (closed: () => void): RequestListener => {
    return ({ url }, response) => {
      response.writeHead(Number(url?.slice(1)), { 'retry-after': '7' })
      const drips = setInterval(() => response.write('x'), 50)
      response.once('close', () => {
        clearInterval(drips)
        closed()
      })
    }
  }

  it('counts by its status at once; the cause of a refusal is waited for at most twice the timeout', async () => {
    await using certificate = await createTestCertificate()
    setDefaultCACertificates([certificate.cert])
    await using server = await tlsServer(
      certificate,
      dripping(() => undefined),
    )
    const senderOf = (timeoutMs: number) =>
      new PushSender({ keys, policy: { allowLoopback: true }, perHost: 8, timeoutMs })
    const [patient, hasty] = [senderOf(60_000), senderOf(2_000)]
    const answered = (sender: PushSender, status: number) =>
      sender.send(device(`https://127.0.0.1:${server.port}/${status}`), '{}', delivery)
    try {
      const began = performance.now()
      expect(await answered(patient, 201)).toEqual({ kind: 'sent', status: 201 })
      expect(await answered(patient, 410)).toEqual({ kind: 'gone', status: 410 })
      expect(await answered(patient, 413)).toEqual({ kind: 'too large' })
      expect(await answered(patient, 429)).toEqual({ kind: 'later', reason: '429', afterMs: 7_000 })
      expect(performance.now() - began).toBeLessThan(60_000)
      const refused = { kind: 'refused', reason: '400', detail: expect.stringMatching(/^x+$/) }
      const asked = performance.now()
      expect(await answered(hasty, 400)).toEqual(refused)
      expect(performance.now() - asked).toBeLessThan(10_000)
    } finally {
      await Promise.all([patient.close(), hasty.close()])
    }
  })

  it('releases its connection in the end', async () => {
    await using certificate = await createTestCertificate()
    setDefaultCACertificates([certificate.cert])
    const closed = Promise.withResolvers<void>()
    await using server = await tlsServer(certificate, dripping(closed.resolve))
    const sender = new PushSender({ keys, policy: { allowLoopback: true }, perHost: 1, timeoutMs: 2_000 })
    const send = () => sender.send(device(`https://127.0.0.1:${server.port}/201`), '{}', delivery)
    try {
      expect(await send()).toEqual({ kind: 'sent', status: 201 })
      await closed.promise
      expect(await send()).toEqual({ kind: 'sent', status: 201 })
    } finally {
      await sender.close()
    }
  })
})

async function tlsServer(
  options: ServerOptions,
  listener?: RequestListener,
): Promise<AsyncDisposable & { port: number }> {
  const server = createServer(options, listener)
  return {
    port: await listenOnLoopback(server),
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

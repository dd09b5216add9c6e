import { describe, expect, it } from 'vitest'
import { parseTrustedProxies } from '../src/client-address.ts'
import { addressKey, clientAddress, trustsProxy } from '../src/index.ts'

/* Only our own balancers are trusted for the client's address. */

const seenBy = (trusted: string, peer: string, forwarded?: string) => {
  const request = {
    socket: { remoteAddress: peer },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }
  const parsed = parseTrustedProxies(trusted)
  if (parsed === undefined) throw new Error(`${trusted} is not a list of proxies`)
  return clientAddress(request as Parameters<typeof clientAddress>[0], trustsProxy(parsed))
}

describe('the client’s address', () => {
  it.each([
    ['clients connect directly', '0', '198.51.100.9', '203.0.113.1', '198.51.100.9'],
    ['one balancer', '1', '10.0.0.2', '203.0.113.1', '203.0.113.1'],
    ['one balancer, and a client that makes one up', '1', '10.0.0.2', '8.8.8.8, 203.0.113.1', '203.0.113.1'],
    ['two balancers', '2', '10.0.0.2', '8.8.8.8, 203.0.113.1, 10.0.0.3', '203.0.113.1'],
    ['two balancers, one passed by', '2', '10.0.0.2', '203.0.113.1', '203.0.113.1'],
    ['a balancer that says nothing', '1', '10.0.0.2', undefined, '10.0.0.2'],
    ['balancers of a range', '10.0.0.0/8', '10.0.0.2', '8.8.8.8, 203.0.113.1, 10.200.0.3', '203.0.113.1'],
    ['a balancer by its address', '10.0.0.2', '10.0.0.2', '8.8.8.8, 203.0.113.1', '203.0.113.1'],
    ['IPv4 in IPv6', '10.0.0.0/8', '::ffff:10.0.0.2', '203.0.113.1', '203.0.113.1'],
    ['balancers with IPv6', 'fd00::/8, 10.0.0.0/8', 'fd00::2', '203.0.113.1, 10.0.0.3', '203.0.113.1'],
    ['a peer outside of the range', '10.0.0.0/8', '198.51.100.9', '203.0.113.1', '198.51.100.9'],
    ['nonsense', '10.0.0.0/8', '10.0.0.2', '203.0.113.1, unknown', 'unknown'],
    ['only balancers', '10.0.0.0/8', '10.0.0.2', '10.0.0.4', '10.0.0.4'],
  ])('%s', (_what, trusted, peer, forwarded, expected) => {
    expect(seenBy(trusted, peer, forwarded)).toBe(expected)
  })
})

it.each(['', '-1', '100', '10.0.0.0/33', 'loopback', '10.0.0.1,', 'balancer.example.com'])(
  '%j is no list of proxies',
  (text) => {
    expect(parseTrustedProxies(text)).toBeUndefined()
  },
)

it('counts an IPv4 address, or an IPv6 network of 64 bits, as one client', () => {
  expect(addressKey('::ffff:192.0.2.7')).toBe(addressKey('192.0.2.7'))
  expect(addressKey('2001:db8:1:2::1')).toBe(addressKey('2001:db8:1:2:ffff:ffff:ffff:ffff'))
  expect(addressKey('2001:db8:1:2::1')).not.toBe(addressKey('2001:db8:1:3::1'))
  expect(addressKey('x'.repeat(10_000)).length).toBeLessThan(100)
})

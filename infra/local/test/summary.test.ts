import { expect, it } from 'vitest'
import { summary } from '../src/summary.ts'

it.each([
  ['127.0.0.1', false],
  ['127.0.0.2', false],
  ['localhost', false],
  ['::1', false],
  ['0.0.0.0', true],
  ['::', true],
  ['192.168.1.7', true],
])('npm start warns if others can reach its address: %s', (host, warns) => {
  const address = `http://${host}:4000`
  const printed = summary({ address, host, webClient: true, seconds: 1, gateways: [], logs: 'logs', users: 'none' })
  expect(printed.includes(`anyone who can reach ${host} can sign in as anybody`)).toBe(warns)
})

import { expect, it } from 'vitest'
import { isGood } from '../src/report.ts'
import { runChaos } from '../src/run.ts'

/* The short form of `npm run chaos`, and a negative control of the checker. */

const log = () => undefined

it('loses, duplicates, reorders and leaks nothing with a killed gateway, a crashed Postgres and dropped clients', {
  timeout: 120_000,
}, async () => {
  const faults = ['kill-gateway', 'crash-postgres', 'drop-clients']
  const report = await runChaos({ clients: 12, faults, log, calmMs: 1_000, short: true })
  expect(report.problems).toEqual([])
  expect(report.faults.map(({ fault }) => fault)).toEqual(faults)
  for (const { acked, lost, duplicated, misordered, leaked, recoveryMs } of report.faults) {
    expect(acked).toBeGreaterThan(0)
    expect({ lost, duplicated, misordered, leaked }).toEqual({ lost: 0, duplicated: 0, misordered: 0, leaked: 0 })
    expect(recoveryMs).not.toBeNull()
  }
  expect(isGood(report)).toBe(true)
})

it('reports losses if messages are acked before they are committed', async () => {
  const env = { PARLEY_TEST_ACK_BEFORE_COMMIT: 'true' }
  const options = { clients: 8, faults: ['stop-postgres'], env, log, calmMs: 1_000, short: true, rawOnly: true }
  const report = await runChaos(options)
  expect(report.faults[0]?.lost).toBeGreaterThan(0)
  expect(isGood(report)).toBe(false)
})

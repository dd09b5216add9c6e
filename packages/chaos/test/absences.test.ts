import { expect, it } from 'vitest'
import { type Absence, Absences, describeFlickers } from '../src/absences.ts'

const absences: Record<string, Absence[]> = {
  late: [
    { from: 1_000, to: 2_000, why: 'transport close' },
    { from: 10_000, to: 27_500, why: 'transport close' },
  ],
  back: [{ from: 10_000, to: 12_000, why: 'transport close' }],
  gone: [{ from: 10_000, to: null, why: 'forced close' }],
  never: [{ from: 90_000, to: null, why: 'forced close' }],
}

const describe = (...notices: [userId: string, at: number][]) =>
  describeFlickers(
    notices.map(([userId, at]) => ({ userId, at })),
    (userId) => absences[userId] ?? [],
    (userId) => userId.toUpperCase(),
  )

it('describes each person’s connection when they were first shown as offline', () => {
  expect(describe()).toEqual([])
  expect(describe(['late', 26_000], ['late', 25_000], ['back', 12_500], ['gone', 30_000], ['never', 50_000])).toEqual([
    'LATE was shown as offline to 2 of the clients, 15.0 s after they were disconnected (transport close), and reconnected after 17.5 s',
    'BACK was shown as offline to 1 of the clients, 0.5 s after they had reconnected, having been disconnected for 2.0 s (transport close)',
    'GONE was shown as offline to 1 of the clients, 20.0 s after they were disconnected (forced close), and are still disconnected',
    'NEVER was shown as offline to 1 of the clients, without having been disconnected',
  ])
})

it('records each absence once, even if notified repeatedly', () => {
  const noted = new Absences()
  noted.note(true, 'connect')
  expect(noted.all).toEqual([])
  for (const connected of [false, false, true, true, false])
    noted.note(connected, connected ? 'connect' : 'ping timeout')
  expect(noted.all.map(({ why }) => why)).toEqual(['ping timeout', 'ping timeout'])
  expect(noted.all[0]?.to).not.toBeNull()
  expect(noted.all[1]?.to).toBeNull()
})

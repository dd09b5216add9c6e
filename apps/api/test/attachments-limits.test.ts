import { type Cluster, direct, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { form, openBucket, openForm, PDF, post } from './attachments-bed.ts'

let cluster: Cluster
beforeAll(async () => {
  const { env } = await openBucket()
  cluster = await startCluster({ gateways: 0, workers: 0, env: { ...env, ATTACHMENT_UPLOADS_AT_ONCE: '16' } })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

it('one person can use at most an eighth of a pod’s form slots', async () => {
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const { id } = await direct(cluster, ahmed, fatima)
  const elsewhere = await direct(cluster, fatima, user())
  const send = async (who = ahmed, to = id) => (await post(cluster, who, to, form({}, [['report.pdf', PDF]]))).status
  const forms = [1, 2, 3].map((n) => openForm(cluster, ahmed, id, `${n}.txt`))
  expect(await Promise.race(forms.map(({ answer }) => answer()))).toEqual({ status: 429, code: 'RATE_LIMITED' })
  expect([await send(), await send(fatima)]).toEqual([429, 201])
  const shown = await (await fetch(`${cluster.apis[0]?.adminUrl}/metrics`)).text()
  expect(shown.match(/^parley_rate_limited_total.*$/gm)).toEqual([
    'parley_rate_limited_total{limit="http_requests"} 0',
    'parley_rate_limited_total{limit="people_added"} 0',
    'parley_rate_limited_total{limit="forms"} 2',
    'parley_rate_limited_total{limit="unused_uploads"} 0',
  ])
  for (const { destroy } of forms) destroy()
  await expect.poll(() => send()).toBe(201)
  // Refused forms release their slots, too.
  for (let time = 0; time < 3; time++) expect(await send(ahmed, elsewhere.id)).toBe(404)
  expect(await send()).toBe(201)
})

it('a form whose client has left before it is read ends at once', async () => {
  const ahmed = user('Ahmed Hassan')
  const { id } = await direct(cluster, ahmed, user('Fatima Rahman'))
  const send = async () => (await post(cluster, ahmed, id, form({}, [['report.pdf', PDF]]))).status
  const brokenOff = async () => {
    const shown = await (await fetch(`${cluster.apis[0]?.adminUrl}/metrics`)).text()
    const line = /^parley_http_request_seconds_count\{method="POST",route="[^"]*messages",status="499"\} (\d+)$/m
    return Number(line.exec(shown)?.[1] ?? 0)
  }
  const before = await brokenOff()
  const lock = await cluster.sql.connect()
  try {
    // Membership cannot be looked up until this ends.
    await lock.query('begin; lock table participants in access exclusive mode')
    const forms = [1, 2].map((n) => openForm(cluster, ahmed, id, `${n}.txt`))
    const waiting = `select 1 from pg_locks where relation = 'participants'::regclass and not granted`
    await expect.poll(async () => (await cluster.sql.query(waiting)).rowCount).toBeGreaterThan(0)
    await expect.poll(send).toBe(429)
    for (const { destroy } of forms) destroy()
    await expect.poll(brokenOff).toBe(before + 2)
  } finally {
    await lock.query('rollback')
    lock.release()
  }
  await expect.poll(send).toBe(201)
})

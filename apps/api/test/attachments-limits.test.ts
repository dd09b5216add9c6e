import { type Cluster, direct, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { form, openBucket, openForm, PDF, post } from './attachments-bed.ts'

let cluster: Cluster
beforeAll(async () => {
  const { env } = await openBucket()
  cluster = await startCluster({ gateways: 0, workers: 0, env: { ...env, ATTACHMENT_UPLOADS_AT_ONCE: '16' } })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

it('one person has an eighth of a pod’s forms under way at most, and the others theirs', async () => {
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const { id } = await direct(cluster, ahmed, fatima)
  const elsewhere = await direct(cluster, fatima, user())
  const send = async (who = ahmed, to = id) => (await post(cluster, who, to, form({}, [['report.pdf', PDF]]))).status
  const forms = [1, 2, 3].map((n) => openForm(cluster, ahmed, id, `${n}.txt`))
  expect(await Promise.race(forms.map(({ answer }) => answer()))).toEqual({ status: 429, code: 'RATE_LIMITED' })
  expect([await send(), await send(fatima)]).toEqual([429, 201])
  for (const { destroy } of forms) destroy()
  await expect.poll(() => send()).toBe(201)
  // Also those that are refused are counted down.
  for (let time = 0; time < 3; time++) expect(await send(ahmed, elsewhere.id)).toBe(404)
  expect(await send()).toBe(201)
})

import { direct, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { idle, type PushSetting, startPushSetting } from './push-setting.ts'

let setting: PushSetting
beforeAll(async () => {
  const env = { PUSH_CONCURRENCY: '3', PUSH_BURST_MS: '0', PUSH_GATHER_MS: '0' }
  setting = await startPushSetting({ gateways: 0, workers: 1, edge: false, env })
})
afterAll(() => setting?.[Symbol.asyncDispose]())

it('a person whose push service never answers does not occupy a whole worker; their other devices are notified later', async () => {
  const { cluster, service } = setting
  const [sender, deaf, person] = [user('Sender'), user('Deaf'), user('Person')]
  const others = [user('A'), user('B'), user('C')]
  const conversations = await Promise.all([sender, ...others].map((other) => direct(cluster, other, deaf)))
  const ours = await direct(cluster, sender, person)
  const [stuck, phone] = [await setting.device(deaf), await setting.device(person)]
  const released = Promise.withResolvers<void>()
  service.answer(stuck, ...conversations.map(() => ({ status: 201, after: released.promise })))
  const to = ({ id }: { id: string }) => service.pushes.filter(({ deviceId }) => deviceId === id)
  await Promise.all(conversations.map((one, n) => setting.send([sender, ...others][n] ?? sender, one)))
  await service.until(() => to(stuck).length > 0)
  await setting.send(sender, ours)
  await service.until(() => to(phone).length === 1)
  expect(to(stuck)).toHaveLength(1)
  released.resolve()
  await idle(setting)
  expect(new Set(service.shown(stuck).map(({ payload }) => payload.tag)).size).toBe(conversations.length)
})

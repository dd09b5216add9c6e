import { readFileSync } from 'node:fs'
import type { Message } from '@parley/protocol'
import { dataOf, direct, emit, group, user } from '@parley/testkit'
import { describe, expect, it } from 'vitest'
import {
  eventually,
  idle,
  manyDevices,
  type PushSetting,
  promoteDelayed,
  quietNow,
  startPushSetting,
} from './push-setting.ts'

describe('push when processes are killed', () => {
  it('reaches everybody; only pushes in flight when a worker died arrive twice', { timeout: 240_000 }, async () => {
    await using setting = await startPushSetting({
      gateways: 0,
      workers: 2,
      edge: false,
      env: { PUSH_CONCURRENCY: '16', PUSH_BURST_MS: '0' },
      // Pushes say whom they are for.
      podEnv: (name) => ({ VAPID_SUBJECT: `mailto:${name}@parley.example` }),
    })
    const { cluster, service } = setting
    const owner = user('Owner')
    const people = Array.from({ length: 400 }, (_, index) => user(`Person ${index}`))
    const conversation = await group(cluster, owner, people)
    const direct = await group(cluster, owner, people.slice(0, 200))
    await manyDevices(setting, people)
    const sent = new Map<string, string>()
    for (const one of [conversation, direct]) sent.set(one.id, (await setting.send(owner, one)).id)
    const recorded = async () => {
      const { rows } = await cluster.sql.query<{ device: string; conversation: string }>(
        `select subscription_id as device, conversation_id as conversation from push_shown where pushed_at > 'epoch'`,
      )
      return new Set(rows.map(({ device, conversation }) => `${device} ${sent.get(conversation)}`))
    }
    const kills: { known: ReadonlySet<string>; pushes: number }[] = []
    /** Each process signs its own VAPID token. */
    const dead = new Set<string>()
    const killAt = async (count: number, index: number) => {
      await service.until((pushes) => pushes.length >= count, 60_000)
      const worker = cluster.workers[index]
      await worker?.kill('SIGKILL')
      const theirs = service.pushes.filter(({ subject }) => subject === `mailto:${worker?.name}@parley.example`)
      for (const { authorization } of theirs) dead.add(authorization)
      kills.push({ known: await recorded(), pushes: service.pushes.length })
      await worker?.restart()
    }
    await killAt(60, 0)
    await killAt(200, 1)
    await killAt(350, 0)
    await service.until((pushes) => new Set(pushes.map(pairOf)).size === 600, 60_000)
    await idle(setting, 60_000)
    const byPair = Map.groupBy(service.pushes, pairOf)
    expect(byPair.size).toBe(600)
    expect(service.errors).toEqual([])
    const again = [...byPair.values()].filter((pushes) => pushes.length > 1)
    // At most the jobs that one worker has running, per kill.
    expect(again.length).toBeLessThanOrEqual(16 * kills.length)
    const repeated = again.flatMap((pushes) => pushes.slice(0, -1))
    expect(repeated.filter(({ authorization }) => !dead.has(authorization))).toEqual([])
    // Nothing that had been recorded by then.
    for (const { known, pushes } of kills) {
      expect(service.pushes.slice(pushes).filter((push) => known.has(pairOf(push)))).toEqual([])
    }
  })

  it('reaches the person when the gateway that stored the message and all workers die', async () => {
    await using setting = await startPushSetting({ gateways: 2, workers: 1 })
    const { cluster, service } = setting
    const [sender, person] = [user(), user()]
    const conversation = await direct(cluster, sender, person)
    const phone = await setting.device(person)
    const socket = await cluster.socket(sender, { gateway: 0 })
    const ack = await emit<Message>(socket, 'sendMessage', { conversationId: conversation.id, content: 'Hello!' })
    expect(dataOf(ack).seq).toBe(1)
    await Promise.all([cluster.gateways[0]?.kill('SIGKILL'), cluster.workers[0]?.kill('SIGKILL')])
    await cluster.workers[0]?.restart()
    await service.until(() => service.shown(phone).length === 1, 40_000)
    await idle(setting, 20_000)
    expect(service.shown(phone)).toHaveLength(1)
  })

  it('closes a summary whose last part was replaced when the worker died', async () => {
    const env = { PUSH_BURST_MS: '0' }
    await using setting = await startPushSetting({ gateways: 0, workers: 1, edge: false, env })
    const { cluster, service } = setting
    const person = user()
    const phone = await setting.device(person)
    const [first, second] = [user(), user()]
    const [one, other] = [await direct(cluster, first, person), await direct(cluster, second, person)]
    await cluster.api(person).put('/api/push/preferences', { quietHours: quietNow() })
    await setting.send(first, one)
    await setting.send(second, other)
    const held = async () => (await setting.metric('parley_push_suppressed_total', 'quiet')) === 2
    await eventually('both are held', held)
    await cluster.api(person).put('/api/push/preferences', { quietHours: null })
    await promoteDelayed(setting)
    await service.until(() => service.shown(phone).length === 1)
    await idle(setting)
    await setting.send(first, one)
    await service.until(() => service.shown(phone).length === 2)
    await idle(setting)
    const count = async (sql: string) => (await cluster.sql.query(sql)).rowCount
    const lock = await cluster.sql.connect()
    try {
      await lock.query('begin')
      await lock.query('lock table push_shown in share row exclusive mode')
      await setting.send(second, other)
      await service.until(() => service.shown(phone).length === 3)
      const waits = `select from pg_locks where relation = 'push_shown'::regclass and not granted`
      await eventually('the worker is recording', async () => (await count(waits)) === 1)
      await cluster.workers[0]?.kill('SIGKILL')
    } finally {
      await lock.query('rollback')
      lock.release()
    }
    // The job that the worker had queued runs without it.
    await eventually('it is recorded', async () => (await count('select from push_shown where digest')) === 0)
    await cluster.workers[0]?.restart()
    await service.until(() => service.shown(phone).length === 4, 60_000)
    await idle(setting, 20_000)
    expect(service.shown(phone).map(({ payload }) => `${payload.kind} ${payload.tag}`)).toEqual([
      'show digest',
      `show ${one.id}`,
      `show ${other.id}`,
      'close digest',
    ])
  })

  it('reaches the person when Redis was away and has forgotten everything', async () => {
    await using setting = await startPushSetting({ gateways: 0, workers: 1, edge: false })
    const { cluster, service } = setting
    const [sender, person] = [user(), user()]
    const conversation = await direct(cluster, sender, person)
    const phone = await setting.device(person)
    await setting.send(sender, conversation, 'before')
    await service.until(() => service.shown(phone).length === 1)
    await cluster.redis.kill()
    await setting.send(sender, conversation, 'while it is away')
    await cluster.redis.start()
    await service.until(() => service.shown(phone).length === 2, 40_000)
    expect(service.shown(phone)[1]?.payload).toMatchObject({ data: { seq: 2 } })
    await idle(setting, 20_000)
    expect(service.shown(phone)).toHaveLength(2)
  })
})

describe('push to very many', () => {
  it('drains ten thousand offline members with flat memory', { timeout: 300_000 }, async () => {
    // With a limited heap, because garbage that V8 has not collected yet is not growth.
    const env = { NODE_OPTIONS: '--max-old-space-size=96 --max-semi-space-size=8' }
    await using setting = await startPushSetting({ gateways: 0, workers: 1, edge: false, read: false, env })
    const { cluster, service } = setting
    const owner = user('Owner')
    const groups = Array.from({ length: 10 }, () => Array.from({ length: 999 }, (_, index) => user(`Person ${index}`)))
    const conversations = []
    for (const people of groups) conversations.push(await group(cluster, owner, people))
    await manyDevices(setting, groups.flat())
    const peaks: number[] = []
    let expected = 0
    for (const some of [conversations.slice(0, 2), conversations]) {
      expected += some.length * 999
      await Promise.all(some.map((conversation) => setting.send(owner, conversation)))
      peaks.push(await peakWhile(setting, () => service.count >= expected))
    }
    await idle(setting, 60_000)
    expect(service.count).toBe(expected)
    const [few = 0, many = 0] = peaks
    expect(few).toBeLessThan(400)
    // Five times as many people, with about the same memory.
    expect(many).toBeLessThan(few * 1.4)
  })
})

const pairOf = ({ deviceId, payload }: PushSetting['service']['pushes'][number]) =>
  `${deviceId} ${payload.kind === 'show' ? payload.data.messageId : 'close'}`

/** Returns the peak memory of the worker until `done`, in MB. */
async function peakWhile({ cluster }: PushSetting, done: () => boolean): Promise<number> {
  const pid = cluster.workers[0]?.pid
  const limit = Date.now() + 150_000
  let peak = 0
  while (!done()) {
    if (Date.now() > limit) throw new Error('the queue did not drain within 150 s')
    const [, kilobytes] = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    peak = Math.max(peak, Number(kilobytes ?? 0) / 1_024)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return peak
}

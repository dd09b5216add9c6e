import { describe, expect, it } from 'vitest'
import { Presence } from '../src/index.ts'
import { eventually, setting, timing } from './setting.ts'

describe('coming online', () => {
  it('is returned to the first connection only, across all gateways', async () => {
    await using world = await setting()
    const [a, b] = [await world.gateway(), await world.gateway()]
    expect(await world.isOnline('ann')).toBe(false)
    expect(await a.connect('ann', '1')).toEqual({ becameOnline: true })
    expect(await a.connect('ann', '2')).toEqual({ becameOnline: false })
    expect(await b.connect('ann', '3')).toEqual({ becameOnline: false })
    expect(await world.isOnline('ann')).toBe(true)
  })

  it('is returned once for many concurrent connections on two gateways', async () => {
    await using world = await setting()
    const gateways = [await world.gateway(), await world.gateway()]
    const people = Array.from({ length: 50 }, (_, index) => `person-${index}`)
    const answers = await Promise.all(
      people.flatMap((userId) =>
        gateways.flatMap((gateway) =>
          ['x', 'y', 'z'].map((id) => gateway.connect(userId, id).then((a) => ({ userId, ...a }))),
        ),
      ),
    )
    const told = answers.filter(({ becameOnline }) => becameOnline).map(({ userId }) => userId)
    expect(told.sort()).toEqual(people.sort())
  })

  it('can be read for a long list of users at once', async () => {
    await using world = await setting()
    // So many concurrent connections may take longer than the second that each waits by default.
    const gateway = await world.gateway({ connectWaitMs: 15_000 })
    const people = Array.from({ length: 2_500 }, (_, index) => `p${index}`)
    await Promise.all(people.filter((_, index) => index % 2 === 0).map((userId) => gateway.connect(userId, 'c')))
    const online = await world.reader.online([...people, ...people])
    expect(online.size).toBe(1_250)
    expect(online.has('p0') && !online.has('p1')).toBe(true)
    expect((await world.reader.online([])).size).toBe(0)
  })
})

describe('going offline', () => {
  it('is reported after the grace, once, with the time of the disconnect, by one of two reapers', async () => {
    await using world = await setting()
    const gateway = await world.gateway()
    const [one, two] = [await world.reaper(), await world.reaper()]
    const people = Array.from({ length: 100 }, (_, index) => `p${index}`)
    await Promise.all(people.map((userId) => gateway.connect(userId, 'c')))
    const left = Date.now()
    for (const userId of people) gateway.disconnect(userId, 'c')
    expect((await world.reader.online(people)).size).toBe(100)
    const reported = () => [...one.reported, ...two.reported]
    await eventually(() => reported().length, 100)
    expect((await world.reader.online(people)).size).toBe(0)
    expect(new Set(reported().map(({ userId }) => userId)).size).toBe(100)
    for (const { lastSeenAt, at } of reported()) {
      expect(lastSeenAt.getTime()).toBeGreaterThanOrEqual(left)
      expect(lastSeenAt.getTime()).toBeLessThanOrEqual(at - timing.graceMs)
    }
    // Nothing about them is left in Redis.
    await eventually(async () => (await world.raw.keys('presence:user:*')).length, 0)
    // A claim is settled just after its user is deleted.
    await eventually(() => world.raw.zcard('presence:leaving'), 0)
    expect(reported()).toHaveLength(100)
  })

  it('does not happen to a user who is back within the grace, on another gateway', async () => {
    await using world = await setting()
    // Long enough for a slow machine.
    const long = { graceMs: 30_000 }
    const [a, b] = [await world.gateway(long), await world.gateway(long)]
    await a.connect('ann', '1')
    for (let turn = 0; turn < 5; turn += 1) {
      const [from, to] = turn % 2 === 0 ? [a, b] : [b, a]
      from.disconnect('ann', '1')
      expect(await to.connect('ann', '1')).toEqual({ becameOnline: false })
      expect(await world.isOnline('ann')).toBe(true)
    }
    // All writes have been made. Now the grace expires, and the reaper checks her.
    await eventually(() => world.raw.exists(`presence:people:${a.epoch}.1`), 0)
    await world.raw.zadd('presence:leaving', 0, 'ann')
    const { reported } = await world.reaper()
    await eventually(() => world.raw.zcard('presence:leaving'), 0)
    expect(reported).toEqual([])
    expect(await world.isOnline('ann')).toBe(true)
  })

  it('waits for the last of several connections', async () => {
    await using world = await setting()
    const [a, b] = [await world.gateway(), await world.gateway()]
    await a.connect('ann', '1')
    await b.connect('ann', '1')
    a.disconnect('ann', '1')
    await eventually(() => world.raw.zcard('presence:leaving'), 1)
    const { reported } = await world.reaper()
    await eventually(() => world.raw.zcard('presence:leaving'), 0)
    expect(await world.isOnline('ann')).toBe(true)
    b.disconnect('ann', '1')
    await eventually(() => reported.length, 1)
    expect(await b.connect('ann', '2')).toEqual({ becameOnline: true })
  })

  it('is reported after the grace even if the reaper checks too early: nodes of a cluster have their own clocks', async () => {
    await using world = await setting()
    const gateway = await world.gateway({ graceMs: 1_000 })
    await gateway.connect('ann', '1')
    gateway.disconnect('ann', '1')
    await eventually(() => world.raw.zcard('presence:leaving'), 1)
    await world.raw.zadd('presence:leaving', 0, 'ann')
    const { reported } = await world.reaper({ graceMs: 1_000 })
    await eventually(() => reported.map(({ userId }) => userId), ['ann'])
  })

  it('ignores the end of an unknown connection', async () => {
    await using world = await setting()
    const gateway = await world.gateway()
    gateway.disconnect('nobody', '1')
    await gateway.connect('ann', '1')
    gateway.disconnect('ann', '2')
    gateway.setVisible('ann', '2', false)
    expect(await world.isOnline('ann')).toBe(true)
  })
})

describe('visibility', () => {
  it('is in the foreground with any visible connection, and never while leaving', async () => {
    await using world = await setting()
    const [a, b] = [await world.gateway(), await world.gateway()]
    const inForeground = async () => (await world.reader.foreground(['ann'])).has('ann')
    await a.connect('ann', '1', { visible: false })
    expect(await inForeground()).toBe(false)
    expect(await world.isOnline('ann')).toBe(true)
    await b.connect('ann', '1')
    expect(await inForeground()).toBe(true)
    b.setVisible('ann', '1', false)
    await eventually(inForeground, false)
    a.setVisible('ann', '1', true)
    await eventually(inForeground, true)
    a.disconnect('ann', '1')
    b.disconnect('ann', '1')
    await eventually(inForeground, false)
  })
})

describe('stopping', () => {
  /** The time to come back: long enough for a slow machine, short enough to wait for. */
  const handover = { leaseMs: 4_000 }

  it('gives disconnected users as long to come back as after a crash, but not in the foreground', async () => {
    await using world = await setting()
    const gateway = await world.gateway(handover)
    const { reported } = await world.reaper()
    for (const userId of ['ann', 'ben']) await gateway.connect(userId, '1')
    const began = performance.now()
    gateway.disconnect('ann', '1')
    gateway.drain()
    gateway.disconnect('ben', '1')
    await eventually(() => reported.map(({ userId }) => userId), ['ann'])
    expect(await world.isOnline('ben')).toBe(true)
    expect((await world.reader.foreground(['ben'])).size).toBe(0)
    await eventually(() => reported.map(({ userId }) => userId), ['ann', 'ben'])
    expect(performance.now() - began).toBeGreaterThan(handover.leaseMs)
  })

  it('hands users over: they are leaving, and one who comes back elsewhere was never offline', async () => {
    await using world = await setting()
    const [a, b] = [await world.gateway({ ...handover, stopMs: 10_000 }), await world.gateway()]
    const { reported } = await world.reaper()
    for (const userId of ['ann', 'ben']) await a.connect(userId, '1')
    const began = performance.now()
    await a.stop()
    expect(await Promise.all([a, b].map(world.isAlive))).toEqual([false, true])
    expect((await world.reader.online(['ann', 'ben'])).size).toBe(2)
    expect(await b.connect('ann', '1')).toEqual({ becameOnline: false })
    await eventually(() => reported.map(({ userId }) => userId), ['ben'])
    expect(performance.now() - began).toBeGreaterThan(handover.leaseMs)
    expect(await world.isOnline('ann')).toBe(true)
    expect(await a.connect('ann', '2')).toEqual({ becameOnline: false })
    expect(await world.raw.hkeys('presence:user:ann')).toEqual([`${b.epoch}.1:1`])
  })
})

it('refuses an epoch that would break its keys', async () => {
  await using world = await setting()
  expect(() => new Presence({ redis: world.raw, epoch: 'a.b' })).toThrow('epoch')
})

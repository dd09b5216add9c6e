import { describe, expect, it } from 'vitest'
import { createPresenceReader } from '../src/index.ts'
import { eventually, renewed, setting, short } from './setting.ts'

describe('a gateway that dies', () => {
  it('takes its users offline when its lease expires, and they are reported once', async () => {
    await using world = await setting()
    const [dying, other] = [await world.gateway(short), await world.gateway()]
    const reapers = [await world.reaper(short), await world.reaper(short)]
    for (const userId of ['ann', 'ben']) await dying.connect(userId, '1')
    await other.connect('ben', '1')
    const died = Date.now()
    dying.crash()
    expect(await world.raw.pttl(`presence:lease:${dying.epoch}`)).toBeLessThanOrEqual(short.leaseMs)
    await eventually(() => world.isAlive(dying), false)
    expect(await world.isOnline('ann')).toBe(false)
    expect(await world.isAlive(other)).toBe(true)
    const reported = () => reapers.flatMap((reaper) => reaper.reported)
    await eventually(() => reported().map(({ userId }) => userId), ['ann'])
    // About when it last renewed its lease, not when its death was detected.
    const [{ lastSeenAt = new Date(0), at = 0 } = {}] = reported()
    expect(lastSeenAt.getTime()).toBeGreaterThanOrEqual(died - short.leaseMs)
    expect(lastSeenAt.getTime()).toBeLessThanOrEqual(at - short.leaseMs)
    expect(await world.isOnline('ben')).toBe(true)
    await eventually(() => world.raw.smembers('presence:incarnations'), [`${other.epoch}.1`])
    expect(await world.raw.exists(`presence:people:${dying.epoch}.1`)).toBe(0)
    expect(reported()).toHaveLength(1)
  })

  it('does not keep users who come back after the lease from being announced', async () => {
    await using world = await setting()
    const [dying, other] = [await world.gateway(short), await world.gateway()]
    await dying.connect('ann', '1')
    dying.crash()
    await eventually(() => world.isOnline('ann'), false)
    const answers = await Promise.all([other.connect('ann', '1'), other.connect('ann', '2')])
    expect(answers.map(({ becameOnline }) => becameOnline)).toEqual([true, false])
    const { reported } = await world.reaper()
    await eventually(() => world.raw.smembers('presence:incarnations'), [`${other.epoch}.1`])
    expect(reported).toEqual([])
    expect(await world.isOnline('ann')).toBe(true)
  })
})

describe('a gateway whose lease expired while it lived', () => {
  it('takes a new one, rewrites all its users, and announces those who were reported offline', async () => {
    await using world = await setting()
    const redis = await world.client()
    const gateway = await world.gateway({ redis, renewMs: 60_000 })
    const { reported } = await world.reaper()
    await gateway.connect('ann', '1')
    await gateway.connect('ben', '1', { visible: false })
    await world.raw.del(`presence:lease:${gateway.epoch}`)
    await eventually(() => reported.map(({ userId }) => userId).toSorted(), ['ann', 'ben'])
    // On a new connection it renews at once.
    redis.disconnect(true)
    await eventually(() => gateway.returned.toSorted(), ['ann', 'ben'])
    expect((await world.reader.online(['ann', 'ben'])).size).toBe(2)
    expect((await world.reader.foreground(['ann', 'ben'])).has('ben')).toBe(false)
    expect(await world.raw.get(`presence:lease:${gateway.epoch}`)).toBe(`${gateway.epoch}.2`)
    await eventually(() => world.raw.smembers('presence:incarnations'), [`${gateway.epoch}.2`])
    expect((await world.reader.online(['ann', 'ben'])).size).toBe(2)
  })
})

describe('a gateway whose lease expired unnoticed', () => {
  it('does not turn a user reported offline into leaving: back elsewhere, they are announced', async () => {
    await using world = await setting()
    const frozen = await world.gateway({ renewMs: 60_000 })
    const other = await world.gateway()
    const { reported } = await world.reaper()
    await frozen.connect('ann', '1')
    await world.raw.del(`presence:lease:${frozen.epoch}`)
    await eventually(() => reported.map(({ userId }) => userId), ['ann'])
    await eventually(() => world.raw.zcard('presence:leaving'), 0)
    frozen.disconnect('ann', '1')
    await eventually(() => world.raw.zcard('presence:leaving'), 1)
    expect(await world.isOnline('ann')).toBe(false)
    expect(await other.connect('ann', '2')).toEqual({ becameOnline: true })
  })

  it('announces a user reported offline again, even if it wrote their state before taking a new lease', async () => {
    await using world = await setting()
    const redis = await world.client()
    const frozen = await world.gateway({ redis, renewMs: 60_000 })
    const { reported } = await world.reaper()
    await frozen.connect('ann', '1')
    await world.raw.del(`presence:lease:${frozen.epoch}`)
    await eventually(() => reported.map(({ userId }) => userId), ['ann'])
    expect(await frozen.connect('ann', '2')).toEqual({ becameOnline: false })
    redis.disconnect(true)
    await eventually(() => frozen.returned, ['ann'])
    // What was written under the lost lease is cleaned up as well.
    await eventually(() => world.raw.smembers('presence:incarnations'), [`${frozen.epoch}.2`])
    expect(await world.raw.exists(`presence:people:${frozen.epoch}.1`)).toBe(0)
  })
})

describe('a Redis that goes down', () => {
  it('and comes back empty has everybody again at once, without any report', async () => {
    await using world = await setting()
    // Without waiting for the next renewal.
    const seldom = { renewMs: 60_000 }
    const [a, b] = [await world.gateway(seldom), await world.gateway(seldom)]
    const { reported } = await world.reaper()
    const people = Array.from({ length: 300 }, (_, index) => `p${index}`)
    await Promise.all(people.map((userId, index) => (index % 2 === 0 ? a : b).connect(userId, 'c')))
    await world.redis.kill()
    await world.redis.start()
    await eventually(async () => (await world.reader.online(people)).size, 300)
    expect([...a.returned, ...b.returned, ...reported]).toEqual([])
    // Everything works as before, although the new Redis has to be given the scripts again.
    expect(await a.connect('new', '1')).toEqual({ becameOnline: true })
    a.disconnect('new', '1')
    await eventually(() => reported.map(({ userId }) => userId), ['new'])
  })

  it('and comes back empty still leads to reports of users who left during the outage or leave later', async () => {
    await using world = await setting()
    const [a, b] = [await world.gateway(), await world.gateway(short)]
    const { reported } = await world.reaper()
    for (const userId of ['ann', 'ben', 'eve']) await a.connect(userId, '1')
    await b.connect('zoe', '1')
    await world.redis.kill()
    a.disconnect('ben', '1')
    await world.redis.start()
    await eventually(() => reported.map(({ userId }) => userId), ['ben'])
    await eventually(async () => world.reader.online(['ann', 'ben', 'eve', 'zoe']), new Set(['ann', 'eve', 'zoe']))
    a.disconnect('ann', '1')
    await eventually(() => reported.map(({ userId }) => userId), ['ben', 'ann'])
    b.crash()
    await eventually(() => reported.map(({ userId }) => userId), ['ben', 'ann', 'zoe'])
    expect(await a.connect('ann', '2')).toEqual({ becameOnline: true })
    expect([...a.returned, ...b.returned]).toEqual([])
    expect(await world.reader.online(['ann', 'ben', 'eve', 'zoe'])).toEqual(new Set(['ann', 'eve']))
  })

  it('and is flushed under open connections has everybody again; users who leave before or after that are reported', async () => {
    await using world = await setting()
    const [a, b] = [await world.gateway(), await world.gateway(short)]
    const { reported } = await world.reaper({ confirmMs: 1_000 })
    for (const userId of ['ann', 'ben', 'eve']) await a.connect(userId, '1')
    await b.connect('zoe', '1')
    await world.flush()
    // Before the loss of the lease is noticed: written under the lost one.
    a.disconnect('ben', '1')
    expect(await a.connect('eve', '2')).toEqual({ becameOnline: false })
    await eventually(() => world.reader.online(['ann', 'ben', 'eve', 'zoe']), new Set(['ann', 'eve', 'zoe']))
    await eventually(() => reported.map(({ userId }) => userId), ['ben'])
    expect(await a.connect('ben', '2')).toEqual({ becameOnline: true })
    b.crash()
    await eventually(() => reported.map(({ userId }) => userId), ['ben', 'zoe'])
    expect([...a.returned, ...b.returned]).toEqual([])
    // Later a lease expires for a moment: nobody is reported, so nobody must be announced again.
    await renewed(world, a)
    await world.raw.del(`presence:lease:${a.epoch}`)
    await eventually(() => world.raw.smembers('presence:incarnations'), [`${a.epoch}.3`])
    expect(await world.reader.online(['ann', 'ben', 'eve'])).toEqual(new Set(['ann', 'ben', 'eve']))
    expect([...reported.map(({ userId }) => userId), ...a.returned]).toEqual(['ben', 'zoe'])
  })

  it('causes no rejection, and has everything that happened meanwhile when it is back', async () => {
    await using world = await setting()
    const gateway = await world.gateway()
    await gateway.connect('ann', '1')
    await gateway.connect('ben', '1')
    await world.redis.kill()
    expect(await gateway.connect('eve', '1')).toEqual({ becameOnline: false })
    gateway.disconnect('ben', '1')
    gateway.setVisible('ann', '1', false)
    await world.redis.start()
    await eventually(async () => (await world.reader.online(['ann', 'eve'])).size, 2)
    await eventually(() => gateway.returned, ['eve'])
    await eventually(() => world.isOnline('ben'), false)
    expect(await world.reader.foreground(['ann', 'eve'])).toEqual(new Set(['eve']))
  })

  it('does not keep a gateway from starting or stopping', async () => {
    await using world = await setting()
    await world.redis.kill()
    const gateway = await world.gateway({ connectWaitMs: 100, stopMs: 200 })
    expect(await gateway.connect('ann', '1')).toEqual({ becameOnline: false })
    await gateway.stop()
    const later = await world.gateway({ connectWaitMs: 100 })
    await later.connect('ann', '1')
    await world.redis.start()
    await eventually(() => later.returned, ['ann'])
  })

  it('and answers after a connect has given up still leads to the announcement', async () => {
    await using world = await setting()
    const gateway = await world.gateway({ connectWaitMs: 100 })
    await world.redis.pause()
    expect(await gateway.connect('ann', '1')).toEqual({ becameOnline: false })
    await world.redis.resume()
    await eventually(() => gateway.returned, ['ann'])
  })

  it('and blocks earlier commands does not block a reader for longer than its limit', async () => {
    await using world = await setting()
    const redis = await world.client({ pipelined: { except: [] } })
    const reader = createPresenceReader({ redis, answerMs: 100 })
    await world.redis.pause()
    const before = redis.get('asked before').catch(() => undefined)
    await expect(reader.online(['ann'])).rejects.toThrow('Redis did not answer within 100 ms')
    await world.redis.resume()
    await before
    expect(await reader.online(['ann'])).toEqual(new Set())
  })

  it('and freezes for longer than the leases takes nobody offline', async () => {
    await using world = await setting()
    const gateway = await world.gateway(short)
    const { reported } = await world.reaper({ confirmMs: 1_000 })
    await gateway.connect('ann', '1')
    const frozenAt = Date.now()
    await world.redis.pause()
    await expect.poll(() => Date.now() - frozenAt, { timeout: 5_000 }).toBeGreaterThan(short.leaseMs + 200)
    await world.redis.resume()
    await eventually(async () => world.raw.get(`presence:lease:${gateway.epoch}`), `${gateway.epoch}.2`)
    await eventually(() => world.isOnline('ann'), true)
    await eventually(() => world.raw.smembers('presence:incarnations'), [`${gateway.epoch}.2`])
    expect([...reported, ...gateway.returned]).toEqual([])
  })
})

describe('a reaper', () => {
  it('that dies or fails while reporting leaves the user to another', async () => {
    await using world = await setting()
    const gateway = await world.gateway()
    const errors: unknown[] = []
    const failing = await world.reaper({
      claimMs: 500,
      onOffline: () => Promise.reject(new Error('no database')),
      onError: (error) => errors.push(error),
    })
    await gateway.connect('ann', '1')
    gateway.disconnect('ann', '1')
    await eventually(() => errors.length, 1)
    await failing.stop()
    const { reported } = await world.reaper()
    await eventually(() => reported.map(({ userId }) => userId), ['ann'])
  })

  it('does not report a user whose gateway has only just lost its lease', async () => {
    await using world = await setting()
    const [left, other] = [await world.gateway(), await world.gateway({ renewMs: 60_000 })]
    for (const gateway of [left, other]) await gateway.connect('ann', '1')
    // As after a Redis that froze for longer than the leases: the gateway is about to take a new one.
    await world.raw.del(`presence:lease:${other.epoch}`)
    left.disconnect('ann', '1')
    await eventually(() => world.raw.zcard('presence:leaving'), 1)
    const { reported } = await world.reaper({ confirmMs: 1_500 })
    await eventually(() => world.raw.zcard('presence:leaving'), 0)
    expect(reported).toEqual([])
    // Once the gateway is certain to be dead, she is reported.
    await eventually(() => reported.map(({ userId }) => userId), ['ann'])
  })

  it('reports again a user who came back and left while being reported', async () => {
    await using world = await setting()
    const gateway = await world.gateway()
    const reported: string[] = []
    await world.reaper({
      onOffline: async (userId) => {
        if (reported.push(userId) > 1) return
        await gateway.connect(userId, '2')
        gateway.disconnect(userId, '2')
        await eventually(() => world.raw.exists(`presence:people:${gateway.epoch}.1`), 0)
      },
    })
    await gateway.connect('ann', '1')
    gateway.disconnect('ann', '1')
    await eventually(() => reported, ['ann', 'ann'])
    await eventually(() => world.raw.zcard('presence:leaving'), 0)
  })

  it('calls onReturn when a user came back while being reported', async () => {
    await using world = await setting()
    const gateway = await world.gateway()
    const returned: string[] = []
    const answers: boolean[] = []
    await world.reaper({
      onOffline: async (userId) => void answers.push((await gateway.connect(userId, '2')).becameOnline),
      onReturn: async (userId) => void returned.push(userId),
    })
    await gateway.connect('ann', '1')
    gateway.disconnect('ann', '1')
    await eventually(() => returned, ['ann'])
    expect(answers).toEqual([true])
    await eventually(() => world.raw.zcard('presence:leaving'), 0)
    expect(await world.isOnline('ann')).toBe(true)
  })
})

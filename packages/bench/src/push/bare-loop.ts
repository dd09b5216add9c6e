/**
 * web-push alone: sends to devices in a loop as fast as possible, over kept-alive connections, with as many pushes in flight as a
 * worker. The devices come over IPC; a Rate is returned.
 */
import webPush, { type PushSubscription } from 'web-push'

export interface BareLoop {
  devices: PushSubscription[]
  payload: string
  keys: { subject: string; publicKey: string; privateKey: string }
  parallel: number
}

/** Pushes per second, and the sending process's processor time per push. */
export interface Rate {
  perSecond: number
  cpuMs: number
}

process.once('disconnect', () => process.exit())
process.once('message', async ({ devices, payload, keys, parallel }: BareLoop) => {
  const queue = devices.values()
  const [began, cpu] = [performance.now(), process.cpuUsage()]
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (const device of queue) {
        await webPush.sendNotification(device, payload, { vapidDetails: keys, TTL: 86_400, urgency: 'normal' })
      }
    }),
  )
  const perSecond = (devices.length / (performance.now() - began)) * 1_000
  const { user, system } = process.cpuUsage(cpu)
  const rate: Rate = { perSecond, cpuMs: (user + system) / 1_000 / devices.length }
  process.send?.(rate, () => process.disconnect?.())
})

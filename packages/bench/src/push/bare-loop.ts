/**
 * web-push alone: a bare loop over devices, as fast as it goes, over kept connections, with as many under way as a worker
 * has. Devices come over IPC; a Rate goes back.
 */
import webPush, { type PushSubscription } from 'web-push'

export interface BareLoop {
  devices: PushSubscription[]
  payload: string
  keys: { subject: string; publicKey: string; privateKey: string }
  parallel: number
}

/** What was measured: pushes per second, and the processor time of one push in the process that sends it. */
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

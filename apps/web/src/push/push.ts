import type { ParleyClient } from '@parley/client'
import { keep, kept } from '../app/kept.ts'

/** Storage key: 'on' if the person wants pushes in this browser, 'no' if they declined. */
const KEY = 'parley-push'

/** The state of notifications in this browser. */
export type PushState = 'unsupported' | 'unavailable' | 'off' | 'on' | 'blocked'

function isSupported(): boolean {
  return 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis
}

/** Returns the state of notifications in this browser. Does not know whether the cluster sends any (`unavailable`). */
export function pushState(): PushState {
  if (!isSupported()) return 'unsupported'
  if (Notification.permission === 'denied') return 'blocked'
  return Notification.permission === 'granted' && kept('localStorage', KEY) === 'on' ? 'on' : 'off'
}

/** Remembers that the person declined, so that notifications are not offered again. */
export function declineOffer(): void {
  keep('localStorage', KEY, 'no')
}

/** Returns whether to offer notifications: nothing has been decided yet, and the cluster sends them. */
export async function mayOffer(client: ParleyClient): Promise<boolean> {
  if (!isSupported() || Notification.permission !== 'default' || kept('localStorage', KEY) !== null) return false
  return (await client.pushPublicKey()) !== null
}

/** Asks for permission and registers this browser. Must be called from a click. @returns the new state */
export async function turnOn(client: ParleyClient): Promise<PushState> {
  if (!isSupported()) return 'unsupported'
  if ((await Notification.requestPermission()) !== 'granted') return pushState()
  keep('localStorage', KEY, 'on')
  await subscribe(client)
  return 'on'
}

/** Removes this browser's subscription, here and, if it can be reached, in the cluster. @returns the new state */
export async function turnOff(client: ParleyClient): Promise<PushState> {
  keep('localStorage', KEY, 'no')
  await forgetDevice(client)
  return pushState()
}

/** Registers the browser for the signed-in person. Repeated at each start, because the endpoint may have changed. */
export async function subscribe(client: ParleyClient): Promise<void> {
  const key = await client.pushPublicKey()
  if (key === null) return
  const registration = await register()
  const wanted = bytesOf(key)
  let subscription = await registration.pushManager.getSubscription()
  // The cluster cannot use a subscription for another key.
  if (subscription !== null && !sameKey(subscription, wanted)) {
    await withdraw(client, subscription)
    subscription = null
  }
  subscription ??= await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: wanted })
  await client.savePushSubscription(subscription.toJSON())
}

/** Unregisters this browser when the person signs out. */
export async function forgetDevice(client: ParleyClient): Promise<void> {
  if (!isSupported()) return
  const registration = await navigator.serviceWorker.getRegistration()
  const subscription = await registration?.pushManager.getSubscription()
  await closeNotifications()
  if (subscription) await withdraw(client, subscription)
}

/** Removes a subscription from the cluster first: a push service need not report that an endpoint is gone. */
async function withdraw(client: ParleyClient, subscription: PushSubscription): Promise<void> {
  await client.removePushSubscription(subscription.endpoint).catch(() => undefined)
  await subscription.unsubscribe()
}

/** Closes this device's notifications of a conversation that is being read, or of all conversations. */
export async function closeNotifications(conversationId?: string): Promise<void> {
  if (!('serviceWorker' in navigator)) return
  const registration = await navigator.serviceWorker.getRegistration()
  const wanted = conversationId === undefined ? {} : { tag: conversationId }
  const shown = (await registration?.getNotifications(wanted)) ?? []
  for (const notification of shown) notification.close()
}

async function register(): Promise<ServiceWorkerRegistration> {
  await navigator.serviceWorker.register(workerUrl())
  return navigator.serviceWorker.ready
}

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): {
    createScriptURL(url: string): string
  }
}

/** Returns the service worker's URL. Trusted Types require script URLs to come from a policy; this one allows a single URL. */
function workerUrl(): string {
  const url = './sw.js'
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  if (trustedTypes === undefined) return url
  policy ??= trustedTypes.createPolicy('parley-worker', { createScriptURL: () => url })
  return policy.createScriptURL(url)
}

let policy: ReturnType<TrustedTypes['createPolicy']> | undefined

/** Decodes a base64url key. */
export function bytesOf(key: string): Uint8Array<ArrayBuffer> {
  const text = atob(key.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function sameKey({ options }: PushSubscription, wanted: Uint8Array): boolean {
  const key = new Uint8Array(options.applicationServerKey ?? new ArrayBuffer())
  return key.length === wanted.length && key.every((byte, index) => byte === wanted[index])
}

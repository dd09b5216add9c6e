import type { ParleyClient } from '@parley/client'
import { keep, kept } from '../app/kept.ts'

/** 'on' where this browser is wanted to get pushes; 'no' where the offer was declined. */
const KEY = 'parley-push'

/** What can be done about notifications here. */
export type PushState = 'unsupported' | 'unavailable' | 'off' | 'on' | 'blocked'

function isSupported(): boolean {
  return 'serviceWorker' in navigator && 'PushManager' in globalThis && 'Notification' in globalThis
}

/** How notifications stand in this browser. Whether the cluster sends any (`unavailable`) is not known here. */
export function pushState(): PushState {
  if (!isSupported()) return 'unsupported'
  if (Notification.permission === 'denied') return 'blocked'
  return Notification.permission === 'granted' && kept('localStorage', KEY) === 'on' ? 'on' : 'off'
}

/** Notes that the person wants none, so that they are not offered again. */
export function declineOffer(): void {
  keep('localStorage', KEY, 'no')
}

/** Whether to offer notifications at all: nothing has been decided yet, and the cluster sends them. */
export async function mayOffer(client: ParleyClient): Promise<boolean> {
  if (!isSupported() || Notification.permission !== 'default' || kept('localStorage', KEY) !== null) return false
  return (await client.pushPublicKey()) !== null
}

/** Asks for the permission and registers this browser. To be called from a click. @returns how it is then */
export async function turnOn(client: ParleyClient): Promise<PushState> {
  if (!isSupported()) return 'unsupported'
  if ((await Notification.requestPermission()) !== 'granted') return pushState()
  keep('localStorage', KEY, 'on')
  await subscribe(client)
  return 'on'
}

/** Forgets this browser's subscription, here and, where it can be reached, at the cluster. */
export async function turnOff(client: ParleyClient): Promise<PushState> {
  keep('localStorage', KEY, 'no')
  await forgetDevice(client)
  return pushState()
}

/** Registers the browser for the person who is signed in; done at each start, for an address may have changed. */
export async function subscribe(client: ParleyClient): Promise<void> {
  const key = await client.pushPublicKey()
  if (key === null) return
  const registration = await register()
  const wanted = bytesOf(key)
  let subscription = await registration.pushManager.getSubscription()
  // A cluster with another key cannot use it.
  if (subscription !== null && !sameKey(subscription, wanted)) {
    await withdraw(client, subscription)
    subscription = null
  }
  subscription ??= await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: wanted })
  await client.savePushSubscription(subscription.toJSON())
}

/** The person leaves: this browser gets no more of their messages. */
export async function forgetDevice(client: ParleyClient): Promise<void> {
  if (!isSupported()) return
  const registration = await navigator.serviceWorker.getRegistration()
  const subscription = await registration?.pushManager.getSubscription()
  await closeNotifications()
  if (subscription) await withdraw(client, subscription)
}

/** The cluster forgets it first: a push service need not say of an address that it is gone. */
async function withdraw(client: ParleyClient, subscription: PushSubscription): Promise<void> {
  await client.removePushSubscription(subscription.endpoint).catch(() => undefined)
  await subscription.unsubscribe()
}

/** Closes what is shown of a conversation on this device, or of all: it is being read here. */
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

/** Under Trusted Types an address of a script has to come from a policy. This one knows a single address. */
function workerUrl(): string {
  const url = './sw.js'
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes }
  if (trustedTypes === undefined) return url
  policy ??= trustedTypes.createPolicy('parley-worker', { createScriptURL: () => url })
  return policy.createScriptURL(url)
}

let policy: ReturnType<TrustedTypes['createPolicy']> | undefined

/** The bytes of a base64url key. */
export function bytesOf(key: string): Uint8Array<ArrayBuffer> {
  const text = atob(key.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

function sameKey({ options }: PushSubscription, wanted: Uint8Array): boolean {
  const key = new Uint8Array(options.applicationServerKey ?? new ArrayBuffer())
  return key.length === wanted.length && key.every((byte, index) => byte === wanted[index])
}

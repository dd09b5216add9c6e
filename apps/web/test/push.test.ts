import type { ParleyClient } from '@parley/client'
import { afterEach, expect, it, vi } from 'vitest'
import { bytesOf, subscribe } from '../src/push/push.ts'

afterEach(() => void vi.unstubAllGlobals())

/** Subscribes a browser with one key and a client whose cluster has another. Returns what was done, in order. */
function setting(clusterKey: string) {
  const did: string[] = []
  let subscription: object | null = browserSubscription('old', bytesOf('AAAA'))
  function browserSubscription(endpoint: string, applicationServerKey: Uint8Array) {
    return {
      endpoint,
      options: { applicationServerKey },
      toJSON: () => ({ endpoint }),
      unsubscribe: async () => {
        did.push(`unsubscribed ${endpoint}`)
        subscription = null
      },
    }
  }
  const pushManager = {
    getSubscription: async () => subscription,
    subscribe: async ({ applicationServerKey }: { applicationServerKey: Uint8Array }) =>
      browserSubscription('new', applicationServerKey),
  }
  vi.stubGlobal('navigator', {
    serviceWorker: { register: async () => undefined, ready: Promise.resolve({ pushManager }) },
  })
  const client = {
    pushPublicKey: async () => clusterKey,
    savePushSubscription: async ({ endpoint }: { endpoint: string }) => did.push(`saved ${endpoint}`),
    removePushSubscription: async (endpoint: string) => did.push(`removed ${endpoint}`),
  }
  return { did, client: client as unknown as ParleyClient }
}

it('a browser subscribed with another key removes its old endpoint from the cluster', async () => {
  const { did, client } = setting('BBBB')
  await subscribe(client)
  expect(did).toEqual(['removed old', 'unsubscribed old', 'saved new'])
})

it('a browser subscribed with the cluster’s key is registered unchanged', async () => {
  const { did, client } = setting('AAAA')
  await subscribe(client)
  expect(did).toEqual(['saved old'])
})

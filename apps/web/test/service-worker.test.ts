import { readFile } from 'node:fs/promises'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'

const SCOPE = 'https://product.example/chat/'

/** Runs the service worker with these open windows. Returns what it did on a click on a notification. */
async function clickWith(urls: readonly string[], conversationId: string): Promise<string[]> {
  const did: string[] = []
  const windows = urls.map((url) => ({
    url,
    focused: false,
    postMessage: ({ conversationId }: { conversationId: string }) => did.push(`told ${url} of ${conversationId}`),
    focus: async () => did.push(`focused ${url}`),
  }))
  const listeners = new Map<string, (event: unknown) => void>()
  const self = {
    registration: { scope: SCOPE },
    clients: { matchAll: async () => windows, openWindow: async (url: string) => did.push(`opened ${url}`) },
    addEventListener: (name: string, listener: (event: unknown) => void) => listeners.set(name, listener),
  }
  runInNewContext(await readFile(new URL('../public/sw.js', import.meta.url), 'utf8'), { self })
  let done: Promise<unknown> = Promise.resolve()
  listeners.get('notificationclick')?.({
    notification: { close: () => undefined, data: { conversationId } },
    waitUntil: (work: Promise<unknown>) => {
      done = work
    },
  })
  await done
  return did
}

it('a click on a notification focuses a window of the chat', async () => {
  const chat = `${SCOPE}#/`
  expect(await clickWith(['https://product.example/', chat], 'c')).toEqual([`told ${chat} of c`, `focused ${chat}`])
})

it('a click opens a window if only other pages of the same origin are open', async () => {
  expect(await clickWith(['https://product.example/shop'], 'c')).toEqual(['opened ./#/c/c'])
})

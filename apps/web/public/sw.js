/**
 * The service worker of Parley's web client. It shows and closes notifications, and opens the conversation when one is clicked.
 * It caches nothing, so the page is always the server's newest.
 */

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('push', (event) => {
  const payload = read(event.data)
  if (payload === null) return
  event.waitUntil(payload.kind === 'close' ? closeAll(payload.tag) : show(payload))
})

self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  event.waitUntil(open(event.notification.data?.conversationId))
})

/** Returns a push's payload (docs/PROTOCOL.md); null if it is not one of Parley's. */
function read(data) {
  try {
    const payload = data?.json()
    return typeof payload?.tag === 'string' && (payload.kind === 'show' || payload.kind === 'close') ? payload : null
  } catch {
    return null
  }
}

/** Shows a notification with the application's own icon: a picture from another host would tell that host of each message. */
function show({ title, body, tag, data }) {
  return self.registration.showNotification(String(title), {
    body: String(body),
    tag,
    renotify: true,
    icon: './icon.png',
    badge: './badge.png',
    data,
  })
}

async function closeAll(tag) {
  for (const notification of await self.registration.getNotifications({ tag })) notification.close()
}

/** Opens the conversation in an existing window, or in a new one. */
async function open(conversationId) {
  const all = await self.clients.matchAll({ type: 'window', includeUncontrolled: true })
  // Other pages of this origin belong to the product that embeds the chat.
  const windows = all.filter(({ url }) => url.startsWith(self.registration.scope))
  const [shown] = windows.sort((a, b) => Number(b.focused) - Number(a.focused))
  const id = typeof conversationId === 'string' && /^[\w-]{1,64}$/.test(conversationId) ? conversationId : null
  if (shown === undefined) {
    await self.clients.openWindow(id === null ? './' : `./#/c/${id}`)
    return
  }
  if (id !== null) shown.postMessage({ type: 'parley:open', conversationId: id })
  await shown.focus()
}

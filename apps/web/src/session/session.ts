import { indexedDbStorage, ParleyClient } from '@parley/client'
import { config } from '../app/config.ts'
import { UploadQueue } from '../uploads/upload-queue.ts'
import { type DemoPerson, demoToken } from './demo.ts'

/** A signed-in person's client and what depends on it. */
export interface Session {
  readonly client: ParleyClient
  readonly uploads: UploadQueue
  /** Null if the embedding product signs people in and out. */
  readonly person: DemoPerson | null
  end(): void
}

/** Connects as the person the tokens are for. `person` is null if only the embedding page knows who that is. */
export function startSession(getToken: () => string | Promise<string>, person: DemoPerson | null): Session {
  const client = new ParleyClient({ url: config.server, getToken, storage: indexedDbStorage('parley-web') })
  const uploads = new UploadQueue(client)
  const report = () => {
    const visible = document.visibilityState === 'visible'
    client.setVisibility(visible)
    // Phones suspend pages, whose connections then fail: reconnect at once when the page is visible again.
    if (visible) client.reconnectNow()
  }
  report()
  document.addEventListener('visibilitychange', report)
  // Makes the browser ask before the page is closed during an upload.
  const warn = (event: BeforeUnloadEvent) => {
    if (uploads.busy) event.preventDefault()
  }
  addEventListener('beforeunload', warn)
  // For developers who embed the chat: the page itself does not say what to fix.
  client.on('error', ({ code, message }) => console.warn(`Parley: ${code}: ${message}`))
  client.connect()
  return {
    client,
    uploads,
    person,
    end: () => {
      document.removeEventListener('visibilitychange', report)
      removeEventListener('beforeunload', warn)
      uploads.close()
      client.close()
    },
  }
}

/** Connects as a demo person, with tokens from the cluster. */
export function startDemoSession(person: DemoPerson): Session {
  return startSession(() => demoToken(config.server, person), person)
}

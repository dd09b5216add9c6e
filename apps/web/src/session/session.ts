import { indexedDbStorage, ParleyClient } from '@parley/client'
import { config } from '../app/config.ts'
import { UploadQueue } from '../uploads/upload-queue.ts'
import { type DemoPerson, demoToken } from './demo.ts'

/** A person's stay: the client, and what hangs on it. */
export interface Session {
  readonly client: ParleyClient
  readonly uploads: UploadQueue
  /** Null where the product that embeds the page signs people in and out. */
  readonly person: DemoPerson | null
  end(): void
}

/** Connects as whom the tokens are for. `person` is null where the page around this one knows who that is. */
export function startSession(getToken: () => string | Promise<string>, person: DemoPerson | null): Session {
  const client = new ParleyClient({ url: config.server, getToken, storage: indexedDbStorage('parley-web') })
  const uploads = new UploadQueue(client)
  const report = () => {
    const visible = document.visibilityState === 'visible'
    client.setVisibility(visible)
    // Phones put pages to sleep, and those find no network meanwhile: whoever is back does not wait for the next try.
    if (visible) client.reconnectNow()
  }
  report()
  document.addEventListener('visibilitychange', report)
  // The browser asks first whether the page may go with the files that are on their way.
  const warn = (event: BeforeUnloadEvent) => {
    if (uploads.busy) event.preventDefault()
  }
  addEventListener('beforeunload', warn)
  // For those who embed the chat: what the page says of it does not tell them what to mend.
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

/** Connects as a demo person, with tokens of the cluster's own. */
export function startDemoSession(person: DemoPerson): Session {
  return startSession(() => demoToken(config.server, person), person)
}

import { isEntry } from './entry.ts'
import type { OutboxStorage } from './types.ts'

const STORE = 'outbox'

/** `IDBFactory`, where the project that uses this knows it: a server's has no types of the DOM. */
type Databases = typeof globalThis extends { indexedDB: infer Factory } ? Factory : never

/** Keeps messages in IndexedDB. The database is opened with the first call. */
export function indexedDbStorage(name = 'parley', factory: Databases = globalThis.indexedDB): OutboxStorage {
  let opening: Promise<IDBDatabase> | undefined
  const forget = () => {
    opening = undefined
  }
  const open = () => {
    // A browser may close it (its data were cleared, its storage broke down): the next call opens it anew.
    opening ??= openDatabase(factory, name, forget).catch((error) => {
      forget()
      throw error
    })
    return opening
  }
  const run = async <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const transaction = (await open()).transaction(STORE, mode)
    const request = work(transaction.objectStore(STORE))
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB gave up'))
      transaction.onerror = () => reject(transaction.error ?? new Error('IndexedDB failed'))
    })
    return request.result
  }
  return {
    load: async (userId) => {
      const all = await run<unknown[]>('readonly', (store) => store.getAll(IDBKeyRange.bound([userId], [userId, []])))
      return all.filter(isEntry)
    },
    put: async (userId, entry) =>
      void (await run('readwrite', (store) => store.put(entry, [userId, entry.clientMessageId]))),
    remove: async (userId, clientMessageId) =>
      void (await run('readwrite', (store) => store.delete([userId, clientMessageId]))),
  }
}

function openDatabase(factory: IDBFactory, name: string, onClosed: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = factory.open(name, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE)
    request.onsuccess = () => {
      const database = request.result
      database.onclose = onClosed
      // Somebody deletes it (when a person signs out, say), or a later version of this client changes it: they wait for this.
      database.onversionchange = () => {
        database.close()
        onClosed()
      }
      resolve(database)
    }
    request.onerror = () => reject(request.error ?? new Error('IndexedDB could not be opened'))
    request.onblocked = () => reject(new Error('IndexedDB is blocked by another tab'))
  })
}

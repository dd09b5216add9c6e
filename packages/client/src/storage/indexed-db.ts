import { isEntry } from './entry.ts'
import type { OutboxStorage } from './types.ts'

const STORE = 'outbox'

/** `IDBFactory`, if the importing project has DOM types (server projects do not). */
type Databases = typeof globalThis extends { indexedDB: infer Factory } ? Factory : never

/** Keeps messages in IndexedDB. The database is opened by the first call. */
export function indexedDbStorage(name = 'parley', factory: Databases = globalThis.indexedDB): OutboxStorage {
  let opening: Promise<IDBDatabase> | undefined
  const forget = () => {
    opening = undefined
  }
  const open = () => {
    // A browser may close it (its data were cleared, its storage failed): the next call reopens it.
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
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB aborted the transaction'))
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
      // Another tab deletes the database (on sign-out, say) or upgrades it, and is blocked until this connection closes.
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

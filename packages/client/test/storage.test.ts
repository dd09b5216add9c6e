import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { indexedDbStorage, memoryStorage, type OutboxEntry, type OutboxStorage, webStorage } from '../src/index.ts'
import { fileStorage } from '../src/node.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-outbox-'))
  globalThis.IDBKeyRange = IDBKeyRange
})
afterAll(() => rm(folder, { recursive: true }))

/** Behaves like a browser's localStorage. */
function fakeWebStorage() {
  const items = new Map<string, string>([['something', 'else']])
  return {
    items,
    get length() {
      return items.size
    },
    key: (index: number) => [...items.keys()][index] ?? null,
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
  }
}

const entry = (order: number): OutboxEntry => ({
  clientMessageId: `../id ${order}`,
  conversationId: 'c',
  content: 'Grüße 👋',
  type: 'TEXT',
  attachmentIds: ['a'],
  createdAt: 5,
  order,
})
const byOrder = (entries: OutboxEntry[]) => entries.sort((a, b) => a.order - b.order)

const web = fakeWebStorage()
const memory = memoryStorage()
const idb = new IDBFactory()
const adapters: [string, () => OutboxStorage][] = [
  ['memory', () => memory],
  ['localStorage', () => webStorage(web)],
  ['IndexedDB', () => indexedDbStorage('test', idb)],
  ['file', () => fileStorage(folder)],
]

describe.each(adapters)('outbox storage: %s', (_, open) => {
  it('keeps the entries of each user across a reload until they are removed', async () => {
    const [a, b] = ['person/1', 'person']
    expect(await open().load(a)).toEqual([])
    await Promise.all([open().put(a, entry(1)), open().put(a, entry(2)), open().put(b, entry(3))])
    await open().put(a, { ...entry(1), content: 'changed' })
    expect(byOrder(await open().load(a))).toEqual([{ ...entry(1), content: 'changed' }, entry(2)])
    await open().remove(a, entry(1).clientMessageId)
    await open().remove(a, 'nothing')
    expect(await open().load(a)).toEqual([entry(2)])
    expect(await open().load(b)).toEqual([entry(3)])
  })
})

describe('foreign data', () => {
  it('is ignored', async () => {
    web.setItem('parley-outbox/x/1', 'not json')
    web.setItem('parley-outbox/x/2', '{"content":5}')
    expect(await webStorage(web).load('x')).toEqual([])
    const files = fileStorage(folder)
    await files.put('x', entry(1))
    const [person] = (await readdir(folder)).filter((name) => name === Buffer.from('x').toString('base64url'))
    await writeFile(join(folder, person ?? '', 'half.json'), '{"clientMess')
    await writeFile(join(folder, person ?? '', 'moved.json.new'), JSON.stringify(entry(1)))
    expect(await files.load('x')).toEqual([entry(1)])
  })
})

describe('IndexedDB', () => {
  it('is reopened after it could not be opened or the browser has closed it', async () => {
    const factory = new IDBFactory()
    const opened: IDBOpenDBRequest[] = []
    const open = vi.fn((name: string, version?: number) => {
      const request = factory.open(name, version)
      opened.push(request)
      return request
    })
    open.mockImplementationOnce(() => {
      throw new Error('The disk is full.')
    })
    const storage = indexedDbStorage('flaky', Object.assign(Object.create(factory), { open }))
    await expect(storage.load('x')).rejects.toThrow('The disk is full.')
    await storage.put('x', entry(1))
    const database = opened[0]?.result
    database?.close()
    database?.onclose?.(new Event('close'))
    expect(await storage.load('x')).toEqual([entry(1)])
    expect(open).toHaveBeenCalledTimes(3)
  })

  it('does not block deletion, as on sign-out', async () => {
    const factory = new IDBFactory()
    const storage = indexedDbStorage('shared', factory)
    await storage.put('x', entry(1))
    const outcome = await new Promise((resolve) => {
      const request = factory.deleteDatabase('shared')
      request.onsuccess = () => resolve('deleted')
      request.onblocked = () => resolve('blocked')
    })
    expect(outcome).toBe('deleted')
    expect(await storage.load('x')).toEqual([])
  })
})

import { createServer, type Server } from 'node:http'
import { attachmentSettings, loadSettings, s3Settings } from '@parley/runtime'
import { listenOnLoopback } from '@parley/testkit'
import { expect, it } from 'vitest'
import { bucketCheck } from '../src/bucket-check.ts'
import { ObjectInspector } from '../src/inspect.ts'
import { ObjectStore } from '../src/objects.ts'
import { objectKey } from '../src/options.ts'

/** Starts a store. @returns the settings of a process that uses it at this path */
async function listen(server: Server, path = '') {
  const port = await listenOnLoopback(server)
  const settings = { NODE_ENV: 'test', S3_ENDPOINT: `http://127.0.0.1:${port}${path}` }
  return loadSettings({ ...s3Settings, ...attachmentSettings }, settings)
}

/** Starts a store that has one object under every key and its own clock, and rejects signed URLs as AWS and MinIO do. */
async function storeAhead(seconds: number) {
  const server = createServer(({ url = '/' }, answer) => {
    const { searchParams } = new URL(url, 'http://store')
    const [, year, month, day, hour, minute, second] =
      /^(....)(..)(..)T(..)(..)(..)Z$/.exec(searchParams.get('X-Amz-Date') ?? '') ?? []
    const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) / 1_000
    const age = Date.now() / 1_000 + seconds - signedAt
    const refusal =
      age < -900
        ? 'Request is not valid yet'
        : age > Number(searchParams.get('X-Amz-Expires'))
          ? 'Request has expired'
          : ''
    if (refusal === '') return void answer.writeHead(200, { 'content-length': 5 }).end('hello')
    answer.writeHead(403).end(`<Error><Code>AccessDenied</Code><Message>${refusal}</Message></Error>`)
  })
  return { settings: await listen(server), [Symbol.asyncDispose]: async () => void server.close() }
}

it.each([[600], [-600]])('inspects files in a store whose clock is %d seconds ahead', async (seconds) => {
  await using store = await storeAhead(seconds)
  expect(await new ObjectInspector(store.settings).inspect('c', 'a', 'hello.txt')).toMatchObject({ size: 5 })
  expect(await bucketCheck(store.settings)(AbortSignal.timeout(5_000))).toBe(true)
})

it.each([[1_200], [-1_200]])('reports a store whose clock is %d seconds ahead', async (seconds) => {
  await using store = await storeAhead(seconds)
  expect(await bucketCheck(store.settings)(AbortSignal.timeout(5_000))).toBe('has a different time than this machine')
})

it.each(['', '/', '/storage/s3', '/storage/s3/'])(
  'reads a file from where it was written, with “%s” at the end of S3_ENDPOINT',
  async (path) => {
    const requests: string[] = []
    const server = createServer((request, answer) => {
      requests.push(`${request.method} ${new URL(request.url ?? '', 'http://store').pathname}`)
      request.resume().on('end', () => answer.end())
    })
    const settings = await listen(server, path)
    await using undo = new AsyncDisposableStack()
    undo.defer(() => {
      server.closeAllConnections()
      server.close()
    })
    const store = new ObjectStore(settings)
    undo.defer(() => store.close())
    await store.put(objectKey('c', 'a'), { pieces: [Buffer.from('hello')], size: 5 }, AbortSignal.timeout(5_000))
    await new ObjectInspector(settings).inspect('c', 'a', 'hello.txt')
    const at = `${path.replace(/\/$/, '')}/parley/attachments/c/a`
    expect(requests).toEqual([`PUT ${at}`, `GET ${at}`])
  },
)

import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLocalCluster } from '../cluster.ts'
import { createDemoUsers } from './people.ts'
import { seedDemo } from './seed.ts'

/** A cluster like that of a first `npm start`, with its own data, which is deleted when it stops. */
export interface DemoCluster extends AsyncDisposable {
  readonly address: string
}

/** Starts a demo cluster on any free port, for programs that show or measure the web client. */
export async function startDemoCluster(print: (line: string) => void): Promise<DemoCluster> {
  await using undo = new AsyncDisposableStack()
  const home = await mkdtemp(join(tmpdir(), 'parley-demo-'))
  // When this is root, Postgres runs as another user and needs access to its folder.
  await chmod(home, 0o755)
  undo.defer(() => rm(home, { recursive: true, force: true, maxRetries: 5 }))
  const { signal } = new AbortController()
  const { PATH, HOME } = process.env
  const env = { PATH, HOME }
  const options = { home, host: '127.0.0.1', port: 0, gateways: 2, fresh: false, env, print, signal }
  const cluster = await startLocalCluster(options)
  undo.defer(() => cluster.stop())
  if (!cluster.webClient) throw new Error('The web client could not be built')
  const address = `http://localhost:${cluster.port}`
  const users = await createDemoUsers(address)
  await seedDemo({ address, users, databaseUrl: cluster.settings.DATABASE_URL ?? '', home, signal })
  const parts = undo.move()
  return { address, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

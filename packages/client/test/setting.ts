import type { Message, User } from '@parley/protocol'
import type { Cluster } from '@parley/testkit'
import { ParleyClient, type ParleyClientOptions, type Store } from '../src/index.ts'

/** A user's client with a log of delivered messages and errors. Closed by `using`. */
export interface TestClient extends Disposable {
  client: ParleyClient
  delivered: Message[]
  errors: Error[]
}

export function clientOf(cluster: Cluster, who: User, options: Partial<ParleyClientOptions> = {}): TestClient {
  const client = new ParleyClient({ url: cluster.url, getToken: () => cluster.token(who), ...options })
  const delivered: Message[] = []
  const errors: Error[] = []
  client.on('message', (message) => delivered.push(message))
  client.on('error', (error) => errors.push(error))
  return { client, delivered, errors, [Symbol.dispose]: () => client.close() }
}

/** Returns a {@link TestClient} that is connected and live. */
export async function liveClient(
  cluster: Cluster,
  who: User,
  options: Partial<ParleyClientOptions> = {},
): Promise<TestClient> {
  const made = clientOf(cluster, who, options)
  made.client.connect()
  await made.client.whenLive()
  return made
}

/** Resolves with the store's value once it satisfies `wanted`. */
export function until<T>(store: Store<T>, wanted: (value: T) => boolean, timeoutMs = 10_000): Promise<T> {
  return settle(
    (check) => store.subscribe(check),
    () => store.getSnapshot(),
    wanted,
    timeoutMs,
  )
}

/** Resolves with the delivered messages once they satisfy `wanted`. */
export function untilDelivered(
  { client, delivered }: TestClient,
  wanted: (delivered: Message[]) => boolean,
  timeoutMs = 10_000,
): Promise<Message[]> {
  return settle(
    (check) => client.on('message', check),
    () => delivered,
    wanted,
    timeoutMs,
  )
}

function settle<T>(
  watch: (check: () => void) => () => void,
  value: () => T,
  wanted: (value: T) => boolean,
  timeoutMs: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const check = () => {
      if (!wanted(value())) return
      end()
      resolve(value())
    }
    const timer = setTimeout(() => {
      end()
      reject(new Error(`Not within ${timeoutMs} ms; it is ${JSON.stringify(value())?.slice(0, 2_000)}`))
    }, timeoutMs)
    const stop = watch(check)
    const end = () => {
      clearTimeout(timer)
      stop()
    }
    check()
  })
}

import { type Operation, operations } from '@parley/docs'
import type { Cluster } from '@parley/testkit'
import type { Example, World } from './examples.ts'

/** The answer to an operation. */
export interface Answer {
  status: number
  headers: Headers
  body: unknown
}

export function operationOf(id: string): Operation {
  const operation = operations.find((one) => one.id === id)
  if (operation === undefined) throw new Error(`there is no operation ${id}`)
  return operation
}

/**
 * Sends the request of an example. A string is sent as the raw body. The content type is sent even without a body, as by many
 * clients.
 */
export async function ask(cluster: Cluster, world: World, operation: Operation, example: Example): Promise<Answer> {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(example.params?.[name] ?? ''))
  const query = new URLSearchParams(example.query).toString()
  const { body } = example
  const response = await fetch(`${cluster.url}${path}${query === '' ? '' : `?${query}`}`, {
    method: operation.method.toUpperCase(),
    headers: { ...authorization(cluster, world, example), 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    redirect: 'manual',
    signal: AbortSignal.timeout(30_000),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}

function authorization(cluster: Cluster, world: World, { as }: Example): Record<string, string> {
  if (as === 'nobody') return {}
  const token = as === 'service' ? cluster.token('a-server', { role: 'service' }) : cluster.token(world.ahmed)
  return { authorization: `Bearer ${token}` }
}

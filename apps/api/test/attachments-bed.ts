import { once } from 'node:events'
import { request } from 'node:http'
import type { Message, User } from '@parley/protocol'
import { type Cluster, createTestBucket, type HttpAnswer, type Reply, s3Environment } from '@parley/testkit'

/** The smallest content that is recognised as a PDF, and a little more. */
export const PDF = Buffer.from('%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n')

export interface Bucket {
  /** Settings for a cluster that stores its files there. */
  env: Record<string, string>
  endpoint: string
  /** Returns the number of objects of a conversation. */
  count(conversationId: string): Promise<number>
}

/** Creates a bucket that the test can inspect. */
export async function openBucket(): Promise<Bucket> {
  const s3 = await createTestBucket()
  if (s3 === null) throw new Error('these tests need an S3 server')
  const env = s3Environment(s3)
  const count = async (conversationId: string) => {
    const list = await fetch(`${s3.endpoint}/${s3.bucket}?list-type=2&prefix=attachments/${conversationId}/`)
    if (!list.ok) throw new Error(`the list of objects was answered ${list.status}`)
    return [...(await list.text()).matchAll(/<Key>/g)].length
  }
  return { env, endpoint: s3.endpoint, count }
}

export function form(fields: Record<string, string>, files: readonly (readonly [string, Uint8Array])[]): FormData {
  const body = new FormData()
  for (const [name, value] of Object.entries(fields)) body.append(name, value)
  for (const [name, bytes] of files) body.append('file', new Blob([new Uint8Array(bytes)]), name)
  return body
}

/** Sends a form as a message. */
export async function post(
  cluster: Cluster,
  who: User,
  conversationId: string,
  body: FormData,
): Promise<HttpAnswer<Message>> {
  const answer = await fetch(`${cluster.url}/api/messages/conversations/${conversationId}/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${cluster.token(who)}` },
    body,
    signal: AbortSignal.timeout(30_000),
  })
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Reply<Message> }
}

/** Sends a hand-written form whose one file does not end until the test says so. */
export function openForm(cluster: Pick<Cluster, 'url' | 'token'>, who: User, conversationId: string, fileName: string) {
  const upload = request(`${cluster.url}/api/messages/conversations/${conversationId}/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${cluster.token(who)}`,
      'content-type': 'multipart/form-data; boundary=b',
      'transfer-encoding': 'chunked',
    },
  })
  // It is meant to be cut off in the middle.
  upload.on('error', () => undefined)
  upload.write(`--b\r\nContent-Disposition: form-data; name="file"; filename="${fileName}"\r\n\r\n`)
  return {
    /** Resolves when it has been written, or never will be: a connection closed after an early answer does not drain. */
    write: async (bytes: Uint8Array) => {
      if (upload.write(bytes) || upload.destroyed) return
      await new Promise<void>((resolve) => upload.once('drain', resolve).once('close', resolve))
    },
    /** Ends the file, and the form with it. */
    end: () => void upload.end('\r\n--b--\r\n'),
    destroy: () => upload.destroy(),
    /** Returns the answer's status and error code. */
    answer: async () => {
      const [response] = await once(upload, 'response')
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      const reply = JSON.parse(Buffer.concat(chunks).toString()) as Reply<Message>
      return { status: response.statusCode as number, code: reply.success ? undefined : reply.error.code }
    },
  }
}

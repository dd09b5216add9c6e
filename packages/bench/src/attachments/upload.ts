import { once } from 'node:events'
import { request } from 'node:http'

/** The block that every upload sends repeatedly, so that the client takes little memory. */
const BLOCK = Buffer.alloc(1024 ** 2, 'parley ')

export interface Upload {
  apiUrl: string
  conversationId: string
  token: string
  /** Whole mebibytes. */
  mebibytes: number
}

/** Uploads a form with one file as fast as the server takes it. @returns the file's size according to the message */
export async function upload({ apiUrl, conversationId, token, mebibytes }: Upload): Promise<number> {
  const head = Buffer.from(
    '--b\r\ncontent-disposition: form-data; name="file"; filename="large.bin"\r\ncontent-type: application/octet-stream\r\n\r\n',
  )
  const tail = Buffer.from('\r\n--b--\r\n')
  const sent = request(`${apiUrl}/api/messages/conversations/${conversationId}/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'multipart/form-data; boundary=b',
      'content-length': head.length + mebibytes * BLOCK.length + tail.length,
    },
  })
  const answered = once(sent, 'response')
  sent.write(head)
  for (let i = 0; i < mebibytes; i++) if (!sent.write(BLOCK)) await once(sent, 'drain')
  sent.end(tail)
  const [response] = await answered
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  if (response.statusCode !== 201) throw new Error(`an upload failed with ${response.statusCode}: ${text}`)
  const answer = JSON.parse(text) as { data: { attachments: { fileSize: number }[] } }
  return answer.data.attachments[0]?.fileSize ?? 0
}

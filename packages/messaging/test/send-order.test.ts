import { randomUUID, randomUUIDv7 } from 'node:crypto'
import { ParleyError } from '@parley/protocol'
import { beforeAll, expect, it } from 'vitest'
import { MessageWriter } from '../src/index.ts'
import { fileDatabase } from './file-database.ts'

const FILE = { size: 5, type: 'text/plain' }
const ahmed = { id: 'ahmed', fullName: 'Ahmed', profilePhoto: null }
const fatima = { id: 'fatima', fullName: 'Fatima', profilePhoto: null }

const { db } = await fileDatabase(2)
beforeAll(async () => {
  await db.pool.query(
    `insert into users (id, full_name, name_key) values ('ahmed', 'Ahmed', 'ahmed'), ('fatima', 'Fatima', 'fatima')`,
  )
})

/** A writer whose object storage answers when the test releases it, and two conversations. */
async function setting() {
  const looks: PromiseWithResolvers<typeof FILE>[] = []
  const writer = new MessageWriter({
    db,
    events: { message: async () => true, messages: async () => true },
    ledger: { cover: (work) => work('order-test', 1, () => undefined) },
    store: {
      urlOf: () => '',
      inspect() {
        const look = Promise.withResolvers<typeof FILE>()
        looks.push(look)
        return look.promise
      },
    },
    onError: () => undefined,
  })
  const conversation = async () => {
    const id = randomUUIDv7()
    await db.pool.query(
      `with c as (insert into conversations (id, type, created_by, participant_count) values ($1, 'GROUP', 'ahmed', 2))
       insert into participants (conversation_id, user_id) values ($1, 'ahmed'), ($1, 'fatima')`,
      [id],
    )
    return id
  }
  const conversationId = await conversation()
  const upload = async () => {
    const id = randomUUID()
    await db.pool.query(
      `insert into attachments (id, conversation_id, uploader_id, state, file_name, file_size, file_type)
       values ($1, $2, 'ahmed', 'READY', 'a.txt', $3, $4)`,
      [id, conversationId, FILE.size, FILE.type],
    )
    return { id }
  }
  const send = (content: string, attachments: { id: string }[] = [], to = conversationId, sender = ahmed) =>
    writer.send({ conversationId: to, content, attachments, sender })
  return { writer, looks, conversationId, conversation, upload, send }
}

it('keeps a sender’s order: a message after one with a file waits until the file was checked', async () => {
  const { writer, looks, conversationId, conversation, upload, send } = await setting()
  const sent = [
    send('a file', [await upload()]),
    send('what it is'),
    send('another', [await upload()]),
    send('the end'),
  ]
  // Nobody else has to wait for it.
  expect(await send('elsewhere', [], await conversation())).toMatchObject({ seq: 1 })
  expect(await send('somebody else', [], conversationId, fatima)).toMatchObject({ seq: 1 })
  await expect.poll(() => looks.length).toBe(2)
  looks[1]?.resolve(FILE)
  looks[0]?.resolve(FILE)
  expect((await Promise.all(sent)).map(({ content, seq }) => `${seq} ${content}`)).toEqual([
    '2 a file',
    '3 what it is',
    '4 another',
    '5 the end',
  ])
  await writer.close()
})

it('also keeps it for a message sent after the first file has been checked and before the second has', async () => {
  const { writer, looks, upload, send } = await setting()
  const [first, second] = [send('a file', [await upload()]), send('another', [await upload()])]
  await expect.poll(() => looks.length).toBe(2)
  looks[0]?.resolve(FILE)
  expect(await first).toMatchObject({ seq: 1 })
  const third = send('the end')
  looks[1]?.resolve(FILE)
  expect((await Promise.all([second, third])).map(({ content, seq }) => `${seq} ${content}`)).toEqual([
    '2 another',
    '3 the end',
  ])
  await writer.close()
})

it('continues after a refused file', async () => {
  const { writer, looks, upload, send } = await setting()
  const sent = [send('a file', [await upload()]), send('unknown', [{ id: randomUUID() }]), send('the end')]
  const settled = Promise.allSettled(sent)
  await expect.poll(() => looks.length).toBe(1)
  looks[0]?.reject(new ParleyError('STORAGE_UNAVAILABLE'))
  expect(await settled).toMatchObject([
    { reason: { code: 'STORAGE_UNAVAILABLE' } },
    { reason: { code: 'ATTACHMENT_NOT_FOUND' } },
    { value: { seq: 1, content: 'the end' } },
  ])
  await writer.close()
})

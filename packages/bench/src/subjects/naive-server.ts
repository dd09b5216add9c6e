import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { createPeerServer, serve } from './peer-server.ts'

interface Sent {
  conversationId: string
  content: string
  type: string
}

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 20 })
const io = createPeerServer()

async function store(senderId: string, { conversationId, content, type }: Sent) {
  const client = await pool.connect()
  try {
    await client.query('begin')
    // First, so that concurrent senders in a room queue here instead of deadlocking on the members' rows.
    await client.query('update conversation set updated_at = now() where id = $1', [conversationId])
    const member = await client.query('select 1 from participant where conversation_id = $1 and user_id = $2', [
      conversationId,
      senderId,
    ])
    if (member.rowCount === 0) throw new Error('not a member')
    const { rows } = await client.query(
      `insert into message (id, conversation_id, sender_id, content, type, read_by)
       values ($1, $2, $3, $4, $5, array[$3]) returning *`,
      [randomUUID(), conversationId, senderId, content, type],
    )
    await client.query(
      'update participant set unread_count = unread_count + 1 where conversation_id = $1 and user_id <> $2',
      [conversationId, senderId],
    )
    await client.query('commit')
    return rows[0]
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}

io.on('connection', (socket) => {
  const sender = { id: socket.handshake.auth.userId, fullName: 'User' }
  socket.on('sendMessage', async (sent: Sent, ack) => {
    try {
      const row = await store(sender.id, sent)
      const { id, content, type, created_at: createdAt } = row
      const message = { id, conversationId: sent.conversationId, sender, content, type, createdAt }
      io.to(`room:${sent.conversationId}`).emit('newMessage', message)
      ack({ success: true, data: message })
    } catch (error) {
      ack({ success: false, message: String(error) })
    }
  })
})
serve(io)

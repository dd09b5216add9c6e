import { randomUUID } from 'node:crypto'
import { createPeerServer, serve } from './peer-server.ts'

const io = createPeerServer()
io.on('connection', (socket) => {
  const sender = { id: socket.handshake.auth.userId, fullName: 'User' }
  socket.on('sendMessage', ({ conversationId, content, type }, ack) => {
    const message = { id: randomUUID(), conversationId, sender, content, type, createdAt: new Date().toISOString() }
    io.to(`room:${conversationId}`).emit('newMessage', message)
    ack({ success: true, data: message })
  })
})
serve(io)

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createShardedAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { roomsOf, type Shape, uuidOf } from './subject.ts'

/** Sets up Socket.IO and its adapter as their documentation says. */
export function createPeerServer(): Server {
  const url = process.env.REDIS_URL ?? ''
  const adapter = createShardedAdapter(new Redis(url), new Redis(url), {
    channelPrefix: process.env.CHANNEL_PREFIX ?? '',
  })
  const io = new Server({ adapter })
  const shape: Shape = JSON.parse(process.env.SHAPE ?? '{}')
  io.on('connection', (socket) => {
    const user = Number(String(socket.handshake.auth.userId).slice('user-'.length))
    void socket.join(roomsOf(user, shape).map((room) => `room:${uuidOf(room)}`))
  })
  return io
}

/** Listens on a free port, sends the ready message that spawnApp waits for, and exits with the parent process. */
export function serve(io: Server): void {
  const http = createServer()
  io.attach(http)
  http.listen(0, '127.0.0.1', () => {
    process.send?.({ type: 'ready', port: (http.address() as AddressInfo).port, adminPort: 0 })
  })
  process.once('disconnect', () => process.exit())
  process.once('SIGTERM', () => process.exit())
}

import { startPeer } from './peer.ts'
import type { Subject } from './subject.ts'

/** Plain Socket.IO with its sharded Redis adapter, in two processes: broadcasts to the room and acks; stores nothing. */
export const bare: Subject = {
  name: 'bare',
  async start(services, shape) {
    const peer = await startPeer(new URL('./bare-server.ts', import.meta.url), services, shape, {})
    return { ...peer, stored: async () => null }
  },
}

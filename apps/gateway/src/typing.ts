import { conversationRoom, userRoom } from '@parley/fanout'
import { LIMITS } from '@parley/protocol'
import type { Socket } from 'socket.io'
import { sessionOf } from './session.ts'

interface Typing {
  expires: NodeJS.Timeout
  /** By `performance.now()`. */
  toldAt: number
}

/** How often `userTyping` is repeated while a client keeps typing, for those who have joined since; milliseconds. */
const REPEAT_MS = 3_000

/**
 * Tracks who is typing where. quiet -> typing on `typing`; back to quiet on `stopTyping`, when the message is sent, when the
 * socket disconnects, or 6 s after the last `typing`. The person's own devices are not told.
 */
export class TypingIndicators {
  readonly #bySocket = new Map<string, Map<string, Typing>>()

  start(socket: Socket, conversationId: string): void {
    const now = performance.now()
    const typing = this.#bySocket.get(socket.id) ?? new Map<string, Typing>()
    this.#bySocket.set(socket.id, typing)
    const before = typing.get(conversationId)
    clearTimeout(before?.expires)
    const again = before === undefined || now - before.toldAt >= REPEAT_MS
    if (again) this.#tell(socket, conversationId, 'userTyping')
    typing.set(conversationId, {
      expires: setTimeout(() => this.stop(socket, conversationId), LIMITS.typingMs),
      toldAt: again ? now : before.toldAt,
    })
  }

  stop(socket: Socket, conversationId: string): void {
    const typing = this.#bySocket.get(socket.id)
    const before = typing?.get(conversationId)
    if (typing === undefined || before === undefined) return
    clearTimeout(before.expires)
    typing.delete(conversationId)
    if (typing.size === 0) this.#bySocket.delete(socket.id)
    this.#tell(socket, conversationId, 'userStoppedTyping')
  }

  /** Stops everything that a disconnected socket was typing. */
  forget(socket: Socket): void {
    for (const conversationId of [...(this.#bySocket.get(socket.id)?.keys() ?? [])]) this.stop(socket, conversationId)
  }

  #tell(socket: Socket, conversationId: string, event: 'userTyping' | 'userStoppedTyping'): void {
    const { id, fullName } = sessionOf(socket).user
    const others = socket.to(conversationRoom(conversationId)).except(userRoom(id))
    const payload = { conversationId, userId: id, userName: fullName }
    // Not volatile: Socket.IO would drop it for clients that are polling, upgrading or not writable at that moment, and it may
    // not be repeated. It is sent at most once in 3 s, so nothing piles up.
    others.emit(event, payload)
  }
}

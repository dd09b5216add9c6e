import { conversationRoom } from '@parley/fanout'
import type { Socket } from 'socket.io'
import type { GatewayDeps } from '../deps.ts'
import { sessionOf } from '../session.ts'
import type { EventHandler } from './handler.ts'

export const typing: EventHandler<'typing'> = async ({ deps, socket, payload }) => {
  await requireMember(deps, socket, payload.conversationId)
  deps.typing.start(socket, payload.conversationId)
  return null
}

export const stopTyping: EventHandler<'stopTyping'> = async ({ deps, socket, payload }) => {
  await requireMember(deps, socket, payload.conversationId)
  deps.typing.stop(socket, payload.conversationId)
  return null
}

/** Checks membership: in the socket's rooms at no cost, and in the database for a room it has not joined yet. */
async function requireMember(deps: GatewayDeps, socket: Socket, conversationId: string): Promise<void> {
  if (socket.rooms.has(conversationRoom(conversationId))) return
  await deps.conversations.require(conversationId, sessionOf(socket).user.id)
}

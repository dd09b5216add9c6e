import type { EventHandler } from './handler.ts'

/** Stores a message; the ack means that it is durable. The database checks membership, under the conversation's lock. */
export const sendMessage: EventHandler<'sendMessage'> = async ({ deps, socket, session, payload, trace }) => {
  const message = await deps.messages.send({ ...payload, sender: session.user, trace })
  deps.typing.stop(socket, payload.conversationId)
  return message
}

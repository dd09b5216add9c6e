import type { EventHandler } from './handler.ts'

export const markAsRead: EventHandler<'markAsRead'> = ({ deps, session, payload }) =>
  deps.reads.read(session.user, payload.conversationId, payload.messageId)

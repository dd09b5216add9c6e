/**
 * Rooms and their channels. A channel is named as the sharded Socket.IO adapter names those of the default namespace, so
 * that one subscription serves both its packets and our frames. No room name has exactly 20 characters: the adapter
 * would take it for a socket's id.
 */
const PREFIX = 'socket.io#/#'
export const CHANNEL_PREFIX = 'socket.io'

/** No sockets are in it: all gateways listen to its channel, and its frames name the people whom they are for. */
export const PEOPLE_ROOM = 'people'

const CONVERSATION = 'conv:'

/** All sockets of the people in one conversation. */
export function conversationRoom(conversationId: string): string {
  return CONVERSATION + conversationId
}

/** Whether a room is a conversation's, and not a person's. */
export function isConversation(room: string): boolean {
  return room.startsWith(CONVERSATION)
}

/** Of a room for which {@link isConversation} holds. */
export function conversationIdOf(room: string): string {
  return room.slice(CONVERSATION.length)
}

/** All sockets of one person. The other prefix keeps an id of 15 characters from making a name of 20. */
export function userRoom(userId: string): string {
  return userId.length === 15 ? `users:${userId}` : `user:${userId}`
}

/** Whose room it is; undefined where it is nobody's. */
export function userIdOf(room: string): string | undefined {
  return /^users?:(.*)$/s.exec(room)?.[1]
}

/** The Redis channel of a room. */
export function channelOf(room: string): string {
  return `${PREFIX}${room}#`
}

/** The room of a channel that {@link channelOf} has made. */
export function roomOf(channel: string): string {
  return channel.slice(PREFIX.length, -1)
}

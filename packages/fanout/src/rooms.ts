/**
 * Rooms and their channels. Channels are named like those of the sharded Socket.IO adapter for the default namespace, so that
 * one subscription serves both its packets and our frames. No room name has exactly 20 characters: the adapter would take it
 * for a socket id.
 */
const PREFIX = 'socket.io#/#'
export const CHANNEL_PREFIX = 'socket.io'

/** A room without sockets: all gateways listen to its channel, and its frames name the users they are for. */
export const PEOPLE_ROOM = 'people'

const CONVERSATION = 'conv:'

/** The room with all sockets of a conversation's members. */
export function conversationRoom(conversationId: string): string {
  return CONVERSATION + conversationId
}

/** Whether a room is a conversation's, and not a user's. */
export function isConversation(room: string): boolean {
  return room.startsWith(CONVERSATION)
}

/** Returns the conversation of a room for which {@link isConversation} holds. */
export function conversationIdOf(room: string): string {
  return room.slice(CONVERSATION.length)
}

/** The room with all sockets of one user. The other prefix avoids a name of 20 characters for an id of 15. */
export function userRoom(userId: string): string {
  return userId.length === 15 ? `users:${userId}` : `user:${userId}`
}

/** Returns the user of a room; undefined if it is not a user's. */
export function userIdOf(room: string): string | undefined {
  return /^users?:(.*)$/s.exec(room)?.[1]
}

/** Returns the Redis channel of a room. */
export function channelOf(room: string): string {
  return `${PREFIX}${room}#`
}

/** Returns the room of a channel from {@link channelOf}. */
export function roomOf(channel: string): string {
  return channel.slice(PREFIX.length, -1)
}

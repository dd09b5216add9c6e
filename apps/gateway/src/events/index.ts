import type { ClientEventName } from '@parley/protocol'
import { getOnlineUsers } from './get-online-users.ts'
import type { EventHandler } from './handler.ts'
import { markAsRead } from './mark-as-read.ts'
import { renewToken } from './renew-token.ts'
import { sendMessage } from './send-message.ts'
import { setVisibility } from './set-visibility.ts'
import { sync } from './sync.ts'
import { stopTyping, typing } from './typing.ts'

/** Every event that a client may send. A name that is not here is refused. */
export const eventHandlers: { [Name in ClientEventName]: EventHandler<Name> } = {
  sendMessage,
  typing,
  stopTyping,
  markAsRead,
  getOnlineUsers,
  setVisibility,
  sync,
  renewToken,
}

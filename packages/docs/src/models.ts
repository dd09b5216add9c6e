import * as protocol from '@parley/protocol'
import type { z } from 'zod'

/** The models that have a name of their own in the documents. */
export const models: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['User', protocol.user],
  ['Participant', protocol.participant],
  ['Conversation', protocol.conversation],
  ['Message', protocol.message],
  ['Attachment', protocol.attachment],
  ['SystemEvent', protocol.systemEvent],
  ['SearchHit', protocol.searchHit],
  ['Highlight', protocol.highlight],
  ['StartedUpload', protocol.startedUpload],
  ['PushSubscription', protocol.pushSubscription],
  ['PushPreferences', protocol.pushPreferences],
  ['SyncAnswer', protocol.syncAnswer],
  ['SyncedConversation', protocol.syncedConversation],
  ['SyncedMember', protocol.syncedMember],
  ['ReadMark', protocol.serverEvents.messageRead],
  ['PageMeta', protocol.pageMetaShape],
  ['HistoryMeta', protocol.historyMetaShape],
  ['SearchMeta', protocol.searchMetaShape],
  ['Failure', protocol.failureShape],
])

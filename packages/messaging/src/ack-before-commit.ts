import type { NewMessage } from '@parley/db'
import type { Message, User } from '@parley/protocol'
import type { AttachmentLinks } from './ports.ts'
import { presentNewMessage } from './present.ts'

/**
 * FOR TESTS ONLY: breaks the promise that an acked message is durable, to show that `npm run chaos` notices. Answers at once
 * with a message that has no seq yet; its outcome is not reported. Enabled by PARLEY_TEST_ACK_BEFORE_COMMIT, which production
 * refuses.
 */
export function ackBeforeCommit(
  stored: Promise<Message>,
  { message, sender }: { message: NewMessage; sender: User },
  links: AttachmentLinks,
): Promise<Message> {
  stored.catch(() => undefined)
  const nowhere = { seq: 0, rev: 0, created_at: new Date().toISOString() }
  return Promise.resolve(presentNewMessage(message, nowhere, sender, links))
}

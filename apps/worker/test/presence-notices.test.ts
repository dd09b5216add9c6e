import { expect, it, vi } from 'vitest'
import { type PresenceNoticesOptions, presenceNotices } from '../src/presence-notices.ts'

it('tells the contacts of somebody who came back while they were told of their going', async () => {
  const toPeople = vi.fn()
  const { onReturn } = presenceNotices({
    publisher: { toPeople },
    people: { get: async () => ({ fullName: 'Ann' }) },
    membership: { contactsOf: async () => ['ben'] },
  } as unknown as PresenceNoticesOptions)
  await onReturn('ann')
  expect(toPeople.mock.calls).toEqual([[['ben'], 'userOnline', { userId: 'ann', userName: 'Ann' }]])
})

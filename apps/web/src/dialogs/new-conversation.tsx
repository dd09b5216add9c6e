import type { User } from '@parley/client'
import { LIMITS } from '@parley/protocol/limits'
import { useRef, useState } from 'react'
import { hrefOf, navigate } from '../app/route.ts'
import { useChat } from '../chat/context.ts'
import styles from './fields.module.css'
import { Modal } from './modal.tsx'
import { PeoplePicker } from './people-picker.tsx'
import { useAction } from './use-action.ts'

/** Creates a conversation: direct with one person, a group with several. */
export function NewConversation({ onClose }: { onClose: () => void }) {
  const { client } = useChat()
  const [chosen, setChosen] = useState<readonly User[]>([])
  const [asGroup, setAsGroup] = useState(false)
  const [name, setName] = useState('')
  const input = useRef<HTMLInputElement>(null)
  const { busy, problem, run } = useAction()
  const group = chosen.length > 1 || (chosen.length === 1 && asGroup)

  const create = () =>
    run(async () => {
      const participantIds = chosen.map(({ id }) => id)
      const { id } = await client.createConversation({
        type: group ? 'GROUP' : 'DIRECT',
        participantIds,
        ...(group && name.trim() !== '' ? { name: name.trim() } : {}),
      })
      onClose()
      navigate(hrefOf(id))
    })

  return (
    <Modal
      title="New conversation"
      onClose={onClose}
      initialFocus={input}
      footer={
        <button type="submit" form="new-conversation" className="primary" disabled={chosen.length === 0 || busy}>
          {group ? 'Create group' : 'Start chat'}
        </button>
      }
    >
      <form
        id="new-conversation"
        onSubmit={(event) => {
          event.preventDefault()
          if (chosen.length > 0) void create()
        }}
      >
        {chosen.length === 1 && (
          <label className={`${styles.person} ${styles.choice}`}>
            <input type="checkbox" checked={asGroup} onChange={(event) => setAsGroup(event.target.checked)} />
            <span>Make it a group, so you can add more people later</span>
          </label>
        )}
        {group && (
          <label className={styles.label}>
            Group name
            <input
              className={styles.field}
              value={name}
              maxLength={LIMITS.nameLength}
              dir="auto"
              placeholder="Optional"
              onChange={(event) => setName(event.target.value)}
            />
          </label>
        )}
        {problem !== null && (
          <p className={styles.problem} role="alert">
            {problem}
          </p>
        )}
        <PeoplePicker chosen={chosen} onChange={setChosen} without={new Set([client.userId ?? ''])} input={input} />
      </form>
    </Modal>
  )
}

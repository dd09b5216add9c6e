import type { Conversation, Participant } from '@parley/client'
import { UserMinus } from 'lucide-react'
import { useState } from 'react'
import { useChat } from '../chat/context.ts'
import { Avatar } from '../people/avatar.tsx'
import styles from './fields.module.css'
import { Question } from './question.tsx'

/** Members shown at first. */
const SHOWN = 50

interface MembersProps {
  conversation: Conversation
  me: string
}

/** The members of a group. Its owner can remove others. */
export function Members({ conversation, me }: MembersProps) {
  const { client } = useChat()
  const [removing, setRemoving] = useState<Participant | null>(null)
  const [shown, setShown] = useState(SHOWN)
  const { participants } = conversation
  const owner = participants.some(({ id, role }) => id === me && role === 'OWNER')
  return (
    <>
      <h3 className={styles.heading}>Members</h3>
      <ul className={styles.people} aria-label="Members">
        {participants.slice(0, shown).map((person) => (
          <li key={person.id} className={styles.person}>
            <Avatar
              id={person.id}
              name={person.fullName}
              size="m"
              photo={person.profilePhoto}
              online={person.isOnline && person.id !== me}
            />
            <span dir="auto">
              {person.fullName}
              {person.id === me && <small> (you)</small>}
            </span>
            {person.role === 'OWNER' && <small>Owner</small>}
            {owner && person.id !== me && (
              <button
                type="button"
                className="icon-button"
                aria-label={`Remove ${person.fullName}`}
                title="Remove from the group"
                onClick={() => setRemoving(person)}
              >
                <UserMinus aria-hidden="true" />
              </button>
            )}
          </li>
        ))}
      </ul>
      {participants.length > shown && (
        <button type="button" className="secondary" onClick={() => setShown((number) => number + 10 * SHOWN)}>
          Show more
        </button>
      )}
      {removing !== null && (
        <Question
          title={`Remove ${removing.fullName} from the group?`}
          yes="Remove"
          no="Cancel"
          onYes={() => client.removeParticipant(conversation.id, removing.id)}
          onClose={() => setRemoving(null)}
        >
          They will no longer receive its messages, unless somebody adds them again.
        </Question>
      )}
    </>
  )
}

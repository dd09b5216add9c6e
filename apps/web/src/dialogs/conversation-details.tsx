import type { Conversation, User } from '@parley/client'
import { LIMITS } from '@parley/protocol/limits'
import { Bell, BellOff, LogOut, UserPlus } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { leaveConversation } from '../app/route.ts'
import { useChat, useStore } from '../chat/context.ts'
import { muteFor, useMuted } from '../chat/mutes.ts'
import { subtitleOf } from '../conversation/subtitle.ts'
import { Avatar } from '../people/avatar.tsx'
import { partnerOf, titleOf } from '../people/names.ts'
import styles from './fields.module.css'
import { Members } from './members.tsx'
import { Modal } from './modal.tsx'
import { MuteMenu } from './mute-menu.tsx'
import { PeoplePicker } from './people-picker.tsx'
import { Question } from './question.tsx'
import { useAction } from './use-action.ts'

interface DetailsProps {
  conversationId: string
  onClose: () => void
}

/** A conversation's members and name, and whether it is muted. */
export function ConversationDetails({ conversationId, onClose }: DetailsProps) {
  const { client } = useChat()
  const conversation = useStore(client.conversations).find(({ id }) => id === conversationId)
  const [adding, setAdding] = useState(false)

  // The list contains at most a hundred members per conversation; fetch all of them.
  useEffect(() => {
    client.fetchConversation(conversationId).catch(() => undefined)
  }, [client, conversationId])

  const gone = conversation === undefined
  useEffect(() => {
    if (gone) onClose()
  }, [gone, onClose])
  if (conversation === undefined) return null
  if (adding) return <AddPeople conversation={conversation} onClose={onClose} onDone={() => setAdding(false)} />
  return (
    <Modal title="Conversation details" onClose={onClose}>
      <Details conversation={conversation} onAdd={() => setAdding(true)} />
    </Modal>
  )
}

function Details({ conversation, onAdd }: { conversation: Conversation; onAdd: () => void }) {
  const { client } = useChat()
  const { busy, problem, run } = useAction()
  const muted = useMuted(conversation.id)
  const [leaving, setLeaving] = useState(false)
  const me = client.userId ?? ''
  const partner = partnerOf(conversation, me)
  const title = titleOf(conversation, me)
  const group = conversation.type === 'GROUP'
  return (
    <>
      <div className={styles.hero}>
        <Avatar
          id={partner?.id ?? conversation.id}
          name={title}
          size="l"
          group={group}
          photo={partner?.profilePhoto ?? null}
          online={partner?.isOnline ?? false}
        />
        <h3 dir="auto">{title}</h3>
        <p>{subtitleOf(conversation, me)}</p>
      </div>
      <div className={styles.actions}>
        {muted ? (
          <button
            type="button"
            className="secondary"
            disabled={busy}
            onClick={() => void run(() => muteFor(client, conversation.id, 0))}
          >
            <Bell aria-hidden="true" size={18} />
            Unmute
          </button>
        ) : (
          <MuteMenu disabled={busy} onMute={(hours) => void run(() => muteFor(client, conversation.id, hours))}>
            <BellOff aria-hidden="true" size={18} />
            Mute
          </MuteMenu>
        )}
        {group && (
          <>
            <button type="button" className="secondary" onClick={onAdd}>
              <UserPlus aria-hidden="true" size={18} />
              Add people
            </button>
            <button type="button" className="danger" onClick={() => setLeaving(true)}>
              <LogOut aria-hidden="true" size={18} />
              Leave group
            </button>
          </>
        )}
      </div>
      {leaving && (
        <Question
          title="Leave this group?"
          yes="Leave"
          no="Stay"
          onYes={async () => {
            await client.removeParticipant(conversation.id, me)
            leaveConversation(conversation.id)
          }}
          onClose={() => setLeaving(false)}
        >
          You will no longer receive its messages.
        </Question>
      )}
      {problem !== null && (
        <p className={styles.problem} role="alert">
          {problem}
        </p>
      )}
      {group && <Rename conversation={conversation} />}
      {group && <Members conversation={conversation} me={me} />}
    </>
  )
}

function Rename({ conversation }: { conversation: Conversation }) {
  const { client } = useChat()
  const [name, setName] = useState(conversation.name ?? '')
  const { busy, problem, run } = useAction()
  const wanted = name.trim() === '' ? null : name.trim()
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (wanted !== conversation.name) void run(() => client.rename(conversation.id, wanted))
      }}
    >
      <label className={styles.label}>
        Group name
        <span className={styles.row}>
          <input
            className={styles.field}
            value={name}
            maxLength={LIMITS.nameLength}
            dir="auto"
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="secondary" disabled={busy || wanted === conversation.name}>
            Save&nbsp;name
          </button>
        </span>
      </label>
      {problem !== null && (
        <p className={styles.problem} role="alert">
          {problem}
        </p>
      )}
    </form>
  )
}

interface AddPeopleProps {
  conversation: Conversation
  onClose: () => void
  onDone: () => void
}

function AddPeople({ conversation, onClose, onDone }: AddPeopleProps) {
  const { client } = useChat()
  const [chosen, setChosen] = useState<readonly User[]>([])
  const input = useRef<HTMLInputElement>(null)
  const { busy, problem, run } = useAction()
  const ids = chosen.map(({ id }) => id)
  return (
    <Modal
      title="Add people"
      onClose={onClose}
      initialFocus={input}
      footer={
        <>
          <button type="button" className="secondary" onClick={onDone}>
            Back
          </button>
          <button
            type="button"
            className="primary"
            disabled={busy || chosen.length === 0}
            onClick={async () => {
              if (await run(() => client.addParticipants(conversation.id, ids))) onDone()
            }}
          >
            Add
          </button>
        </>
      }
    >
      {problem !== null && (
        <p className={styles.problem} role="alert">
          {problem}
        </p>
      )}
      <PeoplePicker
        chosen={chosen}
        onChange={setChosen}
        without={new Set(conversation.participants.map(({ id }) => id))}
        input={input}
      />
    </Modal>
  )
}

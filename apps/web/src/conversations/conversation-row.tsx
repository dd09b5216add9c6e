import type { Conversation } from '@parley/client'
import { BellOff } from 'lucide-react'
import { memo } from 'react'
import { hrefOf } from '../app/route.ts'
import { useChat, useStore } from '../chat/context.ts'
import { useMuted } from '../chat/mutes.ts'
import { Avatar } from '../people/avatar.tsx'
import { firstName, partnerOf, titleOf } from '../people/names.ts'
import { fullTimeOf, listTimeOf } from '../text/dates.ts'
import { countOf } from '../text/sizes.ts'
import styles from './conversation-row.module.css'
import { previewOf } from './preview.ts'

interface RowProps {
  conversation: Conversation
  me: string
  open: boolean
  now: Date
}

/** One conversation in the list. */
export const ConversationRow = memo(function ConversationRow({ conversation, me, open, now }: RowProps) {
  const { client } = useChat()
  const typing = useStore(client.typing(conversation.id))
  const muted = useMuted(conversation.id)
  const { id, type, lastMessage, unreadCount } = conversation
  const partner = partnerOf(conversation, me)
  const title = titleOf(conversation, me)
  const date = new Date(lastMessage?.createdAt ?? conversation.updatedAt)
  const [typist] = typing
  const preview = previewOf(conversation, me)

  return (
    <li>
      <a className={styles.row} href={hrefOf(id)} aria-current={open ? 'page' : undefined} draggable={false}>
        <Avatar
          id={partner?.id ?? id}
          name={title}
          size="m"
          group={type === 'GROUP'}
          photo={partner?.profilePhoto ?? null}
          online={partner?.isOnline ?? false}
        />
        <span className={styles.title} dir="auto">
          {title}
        </span>
        {partner?.isOnline && <span className="visually-hidden">, online</span>}
        {muted && (
          <span className={styles.muted}>
            <BellOff aria-hidden="true" />
            <span className="visually-hidden">, muted</span>
          </span>
        )}
        <time
          className={styles.time}
          dateTime={date.toISOString()}
          title={fullTimeOf(date)}
          data-unread={unreadCount > 0 && !muted}
        >
          {listTimeOf(date, now)}
        </time>
        <span className={styles.second}>
          {typist !== undefined ? (
            <span className={styles.typing}>
              {type === 'GROUP' ? `${firstName(typist.userName)} is typing…` : 'typing…'}
            </span>
          ) : (
            <span className={styles.preview}>
              {preview.who !== null && `${preview.who}: `}
              <bdi>{preview.words}</bdi>
            </span>
          )}
          {unreadCount > 0 && (
            <span className={styles.badge} data-muted={muted}>
              {countOf(unreadCount)}
              <span className="visually-hidden"> unread</span>
            </span>
          )}
        </span>
      </a>
    </li>
  )
})

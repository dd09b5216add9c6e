import type { Conversation, Message } from '@parley/client'
import { memo } from 'react'
import { Avatar } from '../people/avatar.tsx'
import { toneOf } from '../people/names.ts'
import { fullTimeOf, timeOf } from '../text/dates.ts'
import { isEmojiOnly } from '../text/emoji.ts'
import { RichText } from '../text/rich-text.tsx'
import { Attachments } from './attachments.tsx'
import styles from './bubble.module.css'
import { DeliveryMark } from './delivery-mark.tsx'
import { isShownImage } from './file-kinds.ts'
import type { Place } from './rows.ts'

interface BubbleProps extends Place {
  message: Message
  me: string
  conversation: Conversation
  flash: boolean
}

/** A stored message. */
export const Bubble = memo(function Bubble({ message, me, conversation, first, last, flash }: BubbleProps) {
  const own = message.senderId === me
  const group = conversation.type === 'GROUP'
  const date = new Date(message.createdAt)
  const { sender, content, attachments } = message
  return (
    <article
      className={styles.line}
      data-own={own}
      data-first={first}
      data-last={last}
      data-flash={flash}
      aria-label={`${own ? 'You' : sender.fullName}, ${timeOf(date)}`}
    >
      {group && !own && (
        <span className={styles.picture}>
          {last && <Avatar id={sender.id} name={sender.fullName} size="s" photo={sender.profilePhoto} />}
        </span>
      )}
      <div
        className={styles.bubble}
        data-captioned={content !== '' && attachments.some(({ fileType }) => isShownImage(fileType))}
      >
        {group && !own && first && (
          <p className={styles.sender} data-tone={toneOf(sender.id)} dir="auto">
            {sender.fullName}
          </p>
        )}
        {attachments.length > 0 && <Attachments message={message} />}
        {/* The time is in the last line if there is room. */}
        <div className={styles.text} dir="auto" data-large={isEmojiOnly(content)}>
          <RichText text={content} />
          <span className={styles.meta} dir="ltr">
            <time dateTime={message.createdAt} title={fullTimeOf(date)}>
              {timeOf(date)}
            </time>
            {own && <DeliveryMark message={message} conversation={conversation} />}
          </span>
        </div>
      </div>
    </article>
  )
})

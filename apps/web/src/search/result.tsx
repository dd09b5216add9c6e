import type { SearchHit } from '@parley/client'
import { type Range, withoutBackticks } from '@parley/protocol/code'
import { Paperclip } from 'lucide-react'
import { Avatar } from '../people/avatar.tsx'
import { titleOf } from '../people/names.ts'
import { fullTimeOf, listTimeOf } from '../text/dates.ts'
import { excerpt, markParts } from '../text/highlight.ts'
import styles from './search.module.css'

interface ResultProps {
  hit: SearchHit
  me: string
  href: string
  onOpen: () => void
}

/** A search result, with its matches highlighted. */
export function Result({ hit, me, href, onOpen }: ResultProps) {
  const date = new Date(hit.createdAt)
  const { conversation, highlights, sender } = hit
  const title = titleOf({ ...conversation, participantCount: conversation.participants.length }, me)
  const inText = highlights.filter(({ attachmentId }) => attachmentId === null)
  const plain = withoutBackticks(hit.content, inText)
  const { text, ranges } = excerpt(plain.text, plain.ranges)
  const files = hit.attachments.flatMap(({ id, fileName }) => {
    const marks = highlights.filter(({ attachmentId }) => attachmentId === id)
    return marks.length === 0 ? [] : [{ id, fileName, marks }]
  })
  return (
    <a className={styles.result} href={href} onClick={onOpen}>
      <Avatar id={sender.id} name={sender.fullName} size="m" photo={sender.profilePhoto} />
      <span className={styles.head}>
        <strong dir="auto">{sender.id === me ? 'You' : sender.fullName}</strong>
        {title !== sender.fullName && <span dir="auto"> in {title}</span>}
      </span>
      <time dateTime={hit.createdAt} title={fullTimeOf(date)}>
        {listTimeOf(date)}
      </time>
      <span className={styles.words}>
        {text !== '' && (
          <span dir="auto">
            <Marked text={text} ranges={ranges} />
          </span>
        )}
        {files.map(({ id, fileName, marks }) => (
          <span key={id} className={styles.file} dir="auto">
            <Paperclip aria-hidden="true" />
            <Marked text={fileName} ranges={marks} />
          </span>
        ))}
      </span>
    </a>
  )
}

function Marked({ text, ranges }: { text: string; ranges: readonly Range[] }) {
  return markParts(text, ranges).map((part) => (part.marked ? <mark key={part.start}>{part.text}</mark> : part.text))
}

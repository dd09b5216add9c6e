import { codeParts } from '@parley/protocol/code'
import { linkify } from './linkify.ts'
import styles from './rich-text.module.css'

/** A message's text, with links and formatted code. Text is only ever inserted as text, never as HTML. */
export function RichText({ text }: { text: string }) {
  return codeParts(text).map(({ text: part, kind, start }) =>
    kind === 'text' ? (
      <Linked key={start} text={part} />
    ) : (
      <code key={start} className={styles[kind]} dir="ltr">
        {part}
      </code>
    ),
  )
}

function Linked({ text }: { text: string }) {
  return linkify(text).map((part) =>
    part.href === null ? (
      part.text
    ) : (
      <a key={part.start} href={part.href} target="_blank" rel="noopener noreferrer nofollow">
        {part.text}
      </a>
    ),
  )
}

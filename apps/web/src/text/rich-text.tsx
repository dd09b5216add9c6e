import { codeParts } from '@parley/protocol/code'
import { linkify } from './linkify.ts'
import styles from './rich-text.module.css'

/** A message's text with its addresses as links, and its code in a font of its own. Text is only ever put in as text. */
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

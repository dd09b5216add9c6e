import { linkify } from './linkify.ts'

/** A message's text with its addresses as links. Text is only ever put in as text. */
export function RichText({ text }: { text: string }) {
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

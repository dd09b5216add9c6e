import { useChat, useStore } from '../chat/context.ts'
import { firstName, listNames } from '../people/names.ts'
import styles from './typing-line.module.css'

/** Shows who is typing, above the composer. It always takes up space, so that the layout does not shift. */
export function TypingLine({ conversationId }: { conversationId: string }) {
  const { client } = useChat()
  const people = useStore(client.typing(conversationId))
  return (
    <div className={styles.line}>
      {people.length > 0 && (
        <p>
          <span className={styles.dots} aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          {listNames(people.map(({ userName }) => firstName(userName)))} {people.length === 1 ? 'is' : 'are'} typing…
        </p>
      )}
    </div>
  )
}

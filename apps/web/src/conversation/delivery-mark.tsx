import { Popover } from '@base-ui/react/popover'
import type { Conversation, Message } from '@parley/client'
import { Check, CheckCheck } from 'lucide-react'
import { Avatar } from '../people/avatar.tsx'
import styles from './delivery-mark.module.css'
import { deliveryOf } from './receipts.ts'

interface DeliveryMarkProps {
  message: Message
  conversation: Conversation
}

/** Shows whether a message is sent or read; in groups, by whom. */
export function DeliveryMark({ message, conversation }: DeliveryMarkProps) {
  const delivery = deliveryOf(message, conversation)
  if (delivery.state === 'sent') return <Check className={styles.mark} role="img" aria-label="Sent" />
  if (conversation.type === 'DIRECT') {
    return <CheckCheck className={styles.mark} data-read role="img" aria-label="Read" />
  }
  const { readers } = delivery
  const people = readers.flatMap((id) => conversation.participants.find((person) => person.id === id) ?? [])
  const words = delivery.state === 'read' ? 'Read by everyone' : `Read by ${readers.length}`
  return (
    <Popover.Root>
      <Popover.Trigger className={styles.button} aria-label={words} title={words}>
        <CheckCheck className={styles.mark} data-read={delivery.state === 'read' || undefined} aria-hidden="true" />
        {delivery.state === 'partly' && readers.length}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner side="top" align="end" sideOffset={6} className={styles.positioner}>
          <Popover.Popup className={styles.popup}>
            <Popover.Title className={styles.title}>{words}</Popover.Title>
            <ul>
              {people.map((person) => (
                <li key={person.id}>
                  <Avatar id={person.id} name={person.fullName} size="s" photo={person.profilePhoto} />
                  <span dir="auto">{person.fullName}</span>
                </li>
              ))}
              {readers.length > people.length && <li>and {readers.length - people.length} more</li>}
            </ul>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  )
}

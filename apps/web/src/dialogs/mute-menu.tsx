import { Menu } from '@base-ui/react/menu'
import type { ReactNode } from 'react'
import styles from './menu.module.css'

const CHOICES: readonly { words: string; hours: number | null }[] = [
  { words: 'For 1 hour', hours: 1 },
  { words: 'For 8 hours', hours: 8 },
  { words: 'For a week', hours: 168 },
  { words: 'Until I turn it back on', hours: null },
]

interface MuteMenuProps {
  disabled: boolean
  onMute: (hours: number | null) => void
  children: ReactNode
}

/** Lets the person choose how long to mute a conversation. */
export function MuteMenu({ disabled, onMute, children }: MuteMenuProps) {
  return (
    <Menu.Root>
      <Menu.Trigger className="secondary" disabled={disabled}>
        {children}
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner className={styles.positioner} sideOffset={6}>
          <Menu.Popup className={styles.popup}>
            {CHOICES.map(({ words, hours }) => (
              <Menu.Item key={words} className={styles.item} onClick={() => onMute(hours)}>
                {words}
              </Menu.Item>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  )
}

import { Menu } from '@base-ui/react/menu'
import { Bell, BellOff, Check, LogOut, Monitor, Moon, Settings, Sun } from 'lucide-react'
import { useEffect, useState } from 'react'
import { currentTheme, setTheme, type Theme } from '../app/theme.ts'
import { useChat } from '../chat/context.ts'
import { type PushState, pushState, turnOff, turnOn } from '../push/push.ts'
import styles from './menu.module.css'

const THEMES = [
  { theme: 'light', words: 'Light', Icon: Sun },
  { theme: 'dark', words: 'Dark', Icon: Moon },
  { theme: 'system', words: 'System', Icon: Monitor },
] as const

/** Theme, notifications and sign-out. */
export function SettingsMenu() {
  const { person, signOut } = useChat()
  const [theme, choose] = useState<Theme>(currentTheme)
  return (
    <Menu.Root>
      <Menu.Trigger className="icon-button" aria-label="Settings" title="Settings">
        <Settings aria-hidden="true" />
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner className={styles.positioner} sideOffset={4} align="end">
          <Menu.Popup className={styles.popup}>
            {person !== null && <div className={styles.label}>Signed in as {person.fullName}</div>}
            <Menu.RadioGroup
              value={theme}
              onValueChange={(value: Theme) => {
                setTheme(value)
                choose(value)
              }}
            >
              {THEMES.map(({ theme: value, words, Icon }) => (
                <Menu.RadioItem key={value} value={value} className={styles.item} closeOnClick>
                  <Icon aria-hidden="true" />
                  {words}
                  <Menu.RadioItemIndicator>
                    <Check size={18} aria-hidden="true" />
                  </Menu.RadioItemIndicator>
                </Menu.RadioItem>
              ))}
            </Menu.RadioGroup>
            <Menu.Separator className={styles.line} />
            <PushItem />
            {person !== null && (
              <Menu.Item className={styles.item} onClick={() => void signOut()}>
                <LogOut aria-hidden="true" />
                Sign out
              </Menu.Item>
            )}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  )
}

const PUSH_WORDS: Readonly<Record<PushState, string>> = {
  unsupported: 'This browser does not support notifications',
  unavailable: 'Notifications are not set up here',
  blocked: 'Notifications are blocked',
  off: 'Turn on notifications',
  on: 'Turn off notifications',
}

function PushItem() {
  const { client } = useChat()
  const [state, setState] = useState(pushState)
  // Without VAPID keys the cluster sends no notifications.
  useEffect(() => {
    client.pushPublicKey().then(
      (key) => key === null && setState((now) => (now === 'unsupported' ? now : 'unavailable')),
      () => undefined,
    )
  }, [client])
  const change = state === 'off' ? turnOn : turnOff
  const Icon = state === 'on' ? BellOff : Bell
  return (
    <Menu.Item
      className={styles.item}
      disabled={state !== 'off' && state !== 'on'}
      onClick={() => {
        change(client).then(setState, () => setState(pushState()))
      }}
    >
      <Icon aria-hidden="true" />
      {PUSH_WORDS[state]}
    </Menu.Item>
  )
}

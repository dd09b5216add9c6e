import { Users } from 'lucide-react'
import { useState } from 'react'
import styles from './avatar.module.css'
import { initialsOf, toneOf } from './names.ts'

interface AvatarProps {
  id: string
  name: string
  size: 's' | 'm' | 'l'
  photo?: string | null
  group?: boolean
  online?: boolean
}

/** A person's or group's picture. Hidden from screen readers, because the name is next to it. */
export function Avatar({ id, name, size, photo, group = false, online = false }: AvatarProps) {
  const [broken, setBroken] = useState<string | null>(null)
  const own = photo ? ownAddress(photo) : null
  return (
    <span className={styles.avatar} data-size={size} data-tone={toneOf(id)} aria-hidden="true">
      {own !== null && own !== broken ? (
        <img src={own} alt="" loading="lazy" onError={() => setBroken(own)} />
      ) : group ? (
        <Users className={styles.icon} strokeWidth={2} />
      ) : (
        initialsOf(name)
      )}
      {online && <span className={styles.online} />}
    </span>
  )
}

/** Returns a picture's URL if it is on this origin: other hosts would learn who reads what, and when. */
function ownAddress(photo: string): string | null {
  const url = URL.parse(photo, location.href)
  return url !== null && url.origin === location.origin ? url.href : null
}

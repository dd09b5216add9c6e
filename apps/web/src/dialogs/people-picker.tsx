import type { User } from '@parley/client'
import { X } from 'lucide-react'
import { type KeyboardEvent, type RefObject, useEffect, useState } from 'react'
import { isComposing } from '../app/composing.ts'
import { useChat } from '../chat/context.ts'
import { Avatar } from '../people/avatar.tsx'
import styles from './fields.module.css'

/** Pause in typing before the server is asked, in milliseconds. */
const PAUSE_MS = 150
const SHOWN = 30

interface PeoplePickerProps {
  chosen: readonly User[]
  onChange: (chosen: readonly User[]) => void
  /** Ids of people not offered: the person themself, and current members. */
  without: ReadonlySet<string>
  input: RefObject<HTMLInputElement | null>
}

/** A search for people by name, with a checkbox for each. */
export function PeoplePicker({ chosen, onChange, without, input }: PeoplePickerProps) {
  const [text, setText] = useState('')
  const wanted = text.trim()
  const { people, more, state } = usePeople(wanted)
  /** The text when Enter was pressed: its first result is chosen, as soon as the answer is there. */
  const [entered, setEntered] = useState('')
  const ids = new Set(chosen.map(({ id }) => id))
  const offered = people.filter(({ id }) => !without.has(id))
  const toggle = (person: User) =>
    onChange(ids.has(person.id) ? chosen.filter(({ id }) => id !== person.id) : [...chosen, person])
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || isComposing(event)) return
    // Enter chooses the first result; it must not submit the surrounding form.
    event.preventDefault()
    setEntered(wanted)
  }
  useEffect(() => {
    if (entered === '' || state === 'asking') return
    setEntered('')
    const [first] = offered
    if (entered !== wanted || state !== 'found' || first === undefined) return
    if (!ids.has(first.id)) toggle(first)
    // Ready for the next name.
    setText('')
  })

  return (
    <>
      <input
        ref={input}
        type="search"
        className={styles.search}
        aria-label="Search people"
        placeholder="Search people"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {chosen.length > 0 && (
        <ul className={styles.chips} aria-label="Chosen people">
          {chosen.map((person) => (
            <li key={person.id}>
              <button type="button" aria-label={`Remove ${person.fullName}`} onClick={() => toggle(person)}>
                {person.fullName}
                <X aria-hidden="true" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <ul className={styles.people} aria-label="People">
        {offered.map((person) => (
          <li key={person.id}>
            <label className={`${styles.person} ${styles.choice}`}>
              <Avatar id={person.id} name={person.fullName} size="m" photo={person.profilePhoto} />
              <span dir="auto">{person.fullName}</span>
              <input
                type="checkbox"
                aria-label={person.fullName}
                checked={ids.has(person.id)}
                onChange={() => toggle(person)}
              />
            </label>
          </li>
        ))}
      </ul>
      {/* Always rendered: screen readers announce only changes in an existing element. */}
      <p className={styles.hint} role="status">
        {state !== 'asking' && wordsOf({ state, wanted, found: people.length, offered: offered.length, more })}
      </p>
    </>
  )
}

interface Found {
  state: 'found' | 'failed'
  /** What was searched for. */
  wanted: string
  /** The number of people in the answer, and how many of them are offered. */
  found: number
  offered: number
  /** Whether the search has further results. */
  more: boolean
}

/** Returns the hint below the list; empty if the list is complete. */
function wordsOf({ state, wanted, found, offered, more }: Found): string {
  if (state === 'failed') return 'Could not search for people.'
  if (more) {
    const shown = offered === 0 ? '' : `Showing the first ${offered}. `
    return `${shown}${wanted === '' ? 'Type a name' : 'Type more of the name'} to find others.`
  }
  if (offered > 0) return ''
  return found > 0 ? 'Nobody else found.' : 'Nobody found.'
}

interface People {
  people: readonly User[]
  /** Whether the search has further results. */
  more: boolean
  state: 'asking' | 'found' | 'failed'
}

/** Returns the first people that a name finds. Previous results stay until new ones have arrived. */
function usePeople(text: string): People {
  const { client } = useChat()
  const [{ people, more }, setFound] = useState<Omit<People, 'state'>>({ people: [], more: false })
  const [answered, setAnswered] = useState<{ text: string; state: 'found' | 'failed' } | null>(null)
  useEffect(() => {
    let current = true
    const timer = setTimeout(
      () => {
        client.searchUsers(text, { limit: SHOWN }).then(
          ({ data, total }) => {
            if (!current) return
            setFound({ people: data, more: total > data.length })
            setAnswered({ text, state: 'found' })
          },
          () => current && setAnswered({ text, state: 'failed' }),
        )
      },
      text === '' ? 0 : PAUSE_MS,
    )
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [client, text])
  return { people, more, state: answered?.text === text ? answered.state : 'asking' }
}

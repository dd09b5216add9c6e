import type { User } from '@parley/client'
import { X } from 'lucide-react'
import { type KeyboardEvent, type RefObject, useEffect, useState } from 'react'
import { isComposing } from '../app/composing.ts'
import { useChat } from '../chat/context.ts'
import { Avatar } from '../people/avatar.tsx'
import styles from './fields.module.css'

/** A pause in typing after which the server is asked, in milliseconds. */
const PAUSE_MS = 150
const SHOWN = 30

interface PeoplePickerProps {
  chosen: readonly User[]
  onChange: (chosen: readonly User[]) => void
  /** Ids of people who are not offered: oneself, those who are in it already. */
  without: ReadonlySet<string>
  input: RefObject<HTMLInputElement | null>
}

/** People found by name, to be ticked. */
export function PeoplePicker({ chosen, onChange, without, input }: PeoplePickerProps) {
  const [text, setText] = useState('')
  const wanted = text.trim()
  const { people, state } = usePeople(wanted)
  /** The text at which Enter was pressed: the first whom it finds is chosen, at once or when the answer is there. */
  const [entered, setEntered] = useState('')
  const ids = new Set(chosen.map(({ id }) => id))
  const offered = people.filter(({ id }) => !without.has(id))
  const toggle = (person: User) =>
    onChange(ids.has(person.id) ? chosen.filter(({ id }) => id !== person.id) : [...chosen, person])
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || isComposing(event)) return
    // It chooses who was found, and does not send off the form around it with those who were chosen so far.
    event.preventDefault()
    setEntered(wanted)
  }
  useEffect(() => {
    if (entered === '' || state === 'asking') return
    setEntered('')
    const [first] = offered
    if (entered !== wanted || state !== 'found' || first === undefined) return
    if (!ids.has(first.id)) toggle(first)
    // The next name can be written.
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
      {offered.length === 0 && state !== 'asking' && (
        <p className={styles.hint} role="status">
          {state === 'failed' ? 'People cannot be searched now.' : 'Nobody found.'}
        </p>
      )}
    </>
  )
}

/** The first people that a name finds; the last ones stay until new ones are there. */
function usePeople(text: string): { people: readonly User[]; state: 'asking' | 'found' | 'failed' } {
  const { client } = useChat()
  const [people, setPeople] = useState<readonly User[]>([])
  const [answered, setAnswered] = useState<{ text: string; state: 'found' | 'failed' } | null>(null)
  useEffect(() => {
    let current = true
    const timer = setTimeout(
      () => {
        client.searchUsers(text, { limit: SHOWN }).then(
          ({ data }) => {
            if (!current) return
            setPeople(data)
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
  return { people, state: answered?.text === text ? answered.state : 'asking' }
}

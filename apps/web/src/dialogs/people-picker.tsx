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
  const { people, more, state } = usePeople(wanted)
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
      {/* There from the start: screen readers tell what changes in it. */}
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
  /** How many people the answer has, and how many of them are shown. */
  found: number
  offered: number
  /** Whether there are others whom the search finds. */
  more: boolean
}

/** What is to be said of a list of people beside the list; nothing where it is all there is. */
function wordsOf({ state, wanted, found, offered, more }: Found): string {
  if (state === 'failed') return 'People cannot be searched now.'
  if (more) {
    const shown = offered === 0 ? '' : `The first ${offered} are shown. `
    return `${shown}${wanted === '' ? 'Type a name' : 'Type more of the name'} to find others.`
  }
  if (offered > 0) return ''
  return found > 0 ? 'Nobody else found.' : 'Nobody found.'
}

interface People {
  people: readonly User[]
  /** Whether the name finds others besides. */
  more: boolean
  state: 'asking' | 'found' | 'failed'
}

/** The first people that a name finds; the last ones stay until new ones are there. */
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

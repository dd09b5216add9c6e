import { useCallback, useEffect, useState } from 'react'
import { config } from '../app/config.ts'
import { Avatar } from '../people/avatar.tsx'
import { DEMO_PEOPLE, type DemoPerson, demoIsOn } from './demo.ts'
import styles from './sign-in.module.css'

type Offer = 'asking' | 'demo' | 'embedded' | 'unreachable'

/** Lets visitors choose a demo person outside production; elsewhere, says where to sign in. */
export function SignIn({ onPerson }: { onPerson: (person: DemoPerson) => void }) {
  const [offer, setOffer] = useState<Offer>('asking')
  const ask = useCallback(() => {
    setOffer('asking')
    demoIsOn(config.server).then(
      (on) => setOffer(on ? 'demo' : 'embedded'),
      () => setOffer('unreachable'),
    )
  }, [])
  useEffect(ask, [ask])

  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <img className={styles.logo} src="./icon.svg" alt="" width="56" height="56" />
        <h1>Parley</h1>
        {offer === 'asking' && <p className={styles.hint}>One moment…</p>}
        {offer === 'demo' && <DemoPeople onPerson={onPerson} />}
        {offer === 'embedded' && (
          <p className={styles.hint}>This chat is part of another application. Please open it there.</p>
        )}
        {offer === 'unreachable' && (
          <>
            <p className={styles.hint} role="alert">
              The server cannot be reached.
            </p>
            <button type="button" className="primary" onClick={ask}>
              Try again
            </button>
          </>
        )}
      </div>
    </main>
  )
}

function DemoPeople({ onPerson }: { onPerson: (person: DemoPerson) => void }) {
  return (
    <>
      <p className={styles.hint}>Who are you today? Open a second window to be somebody else.</p>
      <ul className={styles.people} aria-label="Demo people">
        {DEMO_PEOPLE.map((person) => (
          <li key={person.id}>
            <button type="button" className={styles.person} onClick={() => onPerson(person)}>
              <Avatar id={person.id} name={person.fullName} size="m" />
              <span>{person.fullName}</span>
            </button>
          </li>
        ))}
      </ul>
    </>
  )
}

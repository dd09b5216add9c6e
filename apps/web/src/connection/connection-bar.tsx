import type { ConnectionState } from '@parley/client'
import { CloudOff, RefreshCw } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useChat, useStore } from '../chat/context.ts'
import styles from './connection-bar.module.css'
import { useNetwork } from './use-network.ts'

/** Interruptions shorter than this are not shown, in milliseconds. */
const PATIENCE_MS = 1_200

const WORDS: Readonly<Record<Exclude<ConnectionState, 'live'>, string>> = {
  offline: 'You are offline. Your messages will be sent later.',
  connecting: 'Connecting…',
  syncing: 'Catching up…',
}
const REFUSED = 'Could not sign you in. Trying again…'

/** A status line above the list while there is no connection or the client is catching up. */
export function ConnectionBar() {
  const { client } = useChat()
  const state = useStore(client.state)
  const network = useNetwork()
  // The browser notices a lost network long before the connection times out.
  const troubled = state !== 'live' || !network
  const [shown, setShown] = useState(false)

  useEffect(() => {
    if (!troubled) {
      setShown(false)
      return
    }
    const timer = setTimeout(() => setShown(true), PATIENCE_MS)
    return () => clearTimeout(timer)
  }, [troubled])

  const refused = useRefused() && network && state !== 'syncing'
  const said = network && !refused ? state : 'offline'
  return (
    <div className={styles.place} role="status">
      {shown && said !== 'live' && (
        <p className={styles.bar} data-state={said}>
          {said === 'offline' ? <CloudOff aria-hidden="true" /> : <RefreshCw aria-hidden="true" />}
          <span>{refused ? REFUSED : WORDS[said]}</span>
          {said === 'offline' && network && (
            <button type="button" onClick={() => client.reconnectNow()}>
              Retry
            </button>
          )}
        </p>
      )}
    </div>
  )
}

/** Returns whether the server refuses the token, perhaps because the product has ended the session. */
function useRefused(): boolean {
  const { client } = useChat()
  const [refused, setRefused] = useState(false)
  useEffect(() => {
    const ends = [
      client.on('error', ({ isTokenProblem }) => setRefused(isTokenProblem)),
      client.on('state', (state) => state === 'live' && setRefused(false)),
    ]
    return () => {
      for (const end of ends) end()
    }
  }, [client])
  return refused
}

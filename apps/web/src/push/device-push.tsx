import { Bell } from 'lucide-react'
import { useEffect, useState } from 'react'
import { hrefOf, navigate } from '../app/route.ts'
import { useChat, useStore } from '../chat/context.ts'
import { useNetwork } from '../connection/use-network.ts'
import { useVisible } from '../conversation/use-visible.ts'
import styles from './device-push.module.css'
import { closeNotifications, declineOffer, mayOffer, pushState, subscribe, turnOn } from './push.ts'
import { useSentSomething } from './sent.ts'

/** Keeps this browser's push subscription, closes notifications that have been read, opens clicked ones, and offers them once. */
export function DevicePush({ openId }: { openId: string | null }) {
  const { client } = useChat()
  const live = useStore(client.state) === 'live'
  const visible = useVisible()
  const network = useNetwork()
  useEffect(() => {
    if (live && pushState() === 'on') subscribe(client).catch(() => undefined)
  }, [client, live])
  useEffect(() => {
    if (visible && openId !== null) closeNotifications(openId).catch(() => undefined)
  }, [openId, visible])
  useEffect(() => {
    if (!('serviceWorker' in navigator)) return
    const onMessage = ({ data }: MessageEvent<unknown>) => {
      const id = clickedConversation(data)
      if (id !== null) navigate(hrefOf(id))
    }
    navigator.serviceWorker.addEventListener('message', onMessage)
    return () => navigator.serviceWorker.removeEventListener('message', onMessage)
  }, [])
  return <Offer reachable={live && network} />
}

/** Returns the conversation of a clicked notification from the service worker's message; null for any other message. */
function clickedConversation(data: unknown): string | null {
  if (typeof data !== 'object' || data === null || !('type' in data) || !('conversationId' in data)) return null
  return data.type === 'parley:open' && typeof data.conversationId === 'string' ? data.conversationId : null
}

/**
 * Offers notifications after the person has sent something, when they may want to hear about the reply. Hidden without a
 * connection: it could not be accepted, and on a phone it would cover the connection status.
 */
function Offer({ reachable }: { reachable: boolean }) {
  const { client } = useChat()
  const sent = useSentSomething()
  const [offered, setOffered] = useState(false)
  useEffect(() => {
    if (!sent) return
    let current = true
    mayOffer(client).then(
      (may) => current && setOffered(may),
      () => undefined,
    )
    return () => {
      current = false
    }
  }, [client, sent])
  if (!offered || !reachable) return null
  return (
    <section className={styles.offer} aria-label="Notifications">
      <Bell aria-hidden="true" />
      <p>Get notified of new messages when this page is closed?</p>
      <div>
        <button
          type="button"
          className="secondary"
          onClick={() => {
            declineOffer()
            setOffered(false)
          }}
        >
          Not now
        </button>
        <button
          type="button"
          className="primary"
          onClick={() => {
            setOffered(false)
            turnOn(client).catch(() => undefined)
          }}
        >
          Turn on
        </button>
      </div>
    </section>
  )
}

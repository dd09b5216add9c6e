import { useCallback, useEffect, useState } from 'react'
import { Chat } from '../chat/chat.tsx'
import { ChatContext } from '../chat/context.ts'
import { rememberedPerson, rememberPerson } from '../session/demo.ts'
import { embeddedTokens } from '../session/embedder.ts'
import { type Session, startDemoSession, startSession } from '../session/session.ts'
import { SignIn } from '../session/sign-in.tsx'
import { ErrorBoundary } from './error-boundary.tsx'

/** Shows the sign-in page, or the chat of the person who is signed in. */
export function App() {
  const [session, setSession] = useState<Session | null>(null)
  const [ready, setReady] = useState(false)

  // A session opens a connection, so it is started in an effect, which also ends it.
  useEffect(() => {
    const begun = resume()
    setSession(begun)
    setReady(true)
    return () => begun?.end()
  }, [])

  const signOut = useCallback(async () => {
    const { forgetDevice } = await import('../push/push.ts')
    if (session !== null) await forgetDevice(session.client).catch(() => undefined)
    rememberPerson(null)
    session?.end()
    location.hash = ''
    setSession(null)
  }, [session])

  if (!ready) return null
  if (session === null) {
    return (
      <SignIn
        onPerson={(person) => {
          rememberPerson(person)
          setSession(startDemoSession(person))
        }}
      />
    )
  }
  return (
    <ErrorBoundary>
      <ChatContext value={{ ...session, signOut }}>
        <Chat />
      </ChatContext>
    </ErrorBoundary>
  )
}

function resume(): Session | null {
  const tokens = embeddedTokens()
  if (tokens !== null) return startSession(tokens, null)
  const person = rememberedPerson()
  return person === null ? null : startDemoSession(person)
}

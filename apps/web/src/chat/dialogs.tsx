import { createContext, lazy, type ReactNode, Suspense, use, useCallback, useState } from 'react'
import { useRoute } from '../app/route.ts'
import { parts } from './parts.ts'

const NewConversation = lazy(() => parts.newConversation().then((module) => ({ default: module.NewConversation })))
const ConversationDetails = lazy(() => parts.details().then((module) => ({ default: module.ConversationDetails })))
const SearchMessages = lazy(() => parts.search().then((module) => ({ default: module.SearchMessages })))
const Viewer = lazy(() => parts.viewer().then((module) => ({ default: module.Viewer })))

/** A dialog and its subject. */
export type OpenDialog =
  | { kind: 'new' }
  | { kind: 'details'; conversationId: string }
  | { kind: 'search'; conversationId: string | null }
  | { kind: 'viewer'; conversationId: string; attachmentId: string }

const DialogContext = createContext<(dialog: OpenDialog) => void>(() => undefined)

/** Returns a function that opens a dialog over the chat. */
export function useDialog(): (dialog: OpenDialog) => void {
  return use(DialogContext)
}

/** Holds the one open dialog, which closes when the page under it changes. */
export function DialogProvider({ children }: { children: ReactNode }) {
  const [dialog, setDialog] = useState<OpenDialog | null>(null)
  const close = useCallback(() => setDialog(null), [])
  const { conversationId } = useRoute()
  const [under, setUnder] = useState(conversationId)
  // The page under the dialog has changed: by the back button, or a click on a notification.
  if (under !== conversationId) {
    setUnder(conversationId)
    setDialog(null)
  }
  return (
    <DialogContext value={setDialog}>
      {children}
      <Suspense fallback={null}>
        {dialog?.kind === 'new' && <NewConversation onClose={close} />}
        {dialog?.kind === 'details' && <ConversationDetails conversationId={dialog.conversationId} onClose={close} />}
        {dialog?.kind === 'search' && <SearchMessages conversationId={dialog.conversationId} onClose={close} />}
        {dialog?.kind === 'viewer' && <Viewer {...dialog} onClose={close} />}
      </Suspense>
    </DialogContext>
  )
}

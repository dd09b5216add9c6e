import { createContext, lazy, type ReactNode, Suspense, use, useCallback, useMemo, useState } from 'react'

import { parts } from './parts.ts'

const NewConversation = lazy(() => parts.newConversation().then((module) => ({ default: module.NewConversation })))
const ConversationDetails = lazy(() => parts.details().then((module) => ({ default: module.ConversationDetails })))
const SearchMessages = lazy(() => parts.search().then((module) => ({ default: module.SearchMessages })))

/** A dialog and what it is about. */
export type OpenDialog =
  | { kind: 'new' }
  | { kind: 'details'; conversationId: string }
  | { kind: 'search'; conversationId: string | null }

const DialogContext = createContext<(dialog: OpenDialog) => void>(() => undefined)

/** Opens a dialog over the chat. */
export function useDialog(): (dialog: OpenDialog) => void {
  return use(DialogContext)
}

export function DialogProvider({ children }: { children: ReactNode }) {
  const [dialog, setDialog] = useState<OpenDialog | null>(null)
  const close = useCallback(() => setDialog(null), [])
  const open = useMemo(() => (next: OpenDialog) => setDialog(next), [])
  return (
    <DialogContext value={open}>
      {children}
      <Suspense fallback={null}>
        {dialog?.kind === 'new' && <NewConversation onClose={close} />}
        {dialog?.kind === 'details' && <ConversationDetails conversationId={dialog.conversationId} onClose={close} />}
        {dialog?.kind === 'search' && <SearchMessages conversationId={dialog.conversationId} onClose={close} />}
      </Suspense>
    </DialogContext>
  )
}

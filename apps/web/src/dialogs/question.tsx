import { AlertDialog } from '@base-ui/react/alert-dialog'
import { type ReactNode, useState } from 'react'
import styles from './modal.module.css'
import { useAction } from './use-action.ts'

interface QuestionProps {
  /** The question itself. */
  title: string
  /** The consequences of a yes. */
  children: ReactNode
  /** The labels of the two buttons. */
  yes: string
  no: string
  /** Performs the action. If it fails, the dialog stays open and shows why. */
  onYes: () => Promise<unknown>
  onClose: () => void
}

/** Asks before an action that is not easily undone. The focus starts on "no", and returns to where it was. */
export function Question({ title, children, yes, no, onYes, onClose }: QuestionProps) {
  const { busy, problem, run } = useAction()
  // The element that asked may be gone by then, for example with the removed member; then focus the surrounding dialog.
  const [before] = useState(() => {
    const { activeElement } = document
    return [activeElement, activeElement?.closest('[role="dialog"]')].filter((it) => it instanceof HTMLElement)
  })
  return (
    <AlertDialog.Root open onOpenChange={(open) => !open && onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={`${styles.backdrop} ${styles.under}`} forceRender />
        <AlertDialog.Popup
          className={`${styles.popup} ${styles.question}`}
          finalFocus={() => before.find(({ isConnected }) => isConnected) ?? true}
        >
          <div className={styles.body}>
            <AlertDialog.Title className={styles.asked} dir="auto">
              {title}
            </AlertDialog.Title>
            <AlertDialog.Description className={styles.meaning}>{children}</AlertDialog.Description>
            {problem !== null && (
              <p className={styles.problem} role="alert">
                {problem}
              </p>
            )}
          </div>
          <footer className={styles.footer}>
            <AlertDialog.Close className="secondary">{no}</AlertDialog.Close>
            <button
              type="button"
              className="danger"
              // Not `disabled`, which would lose the focus.
              aria-disabled={busy}
              onClick={async () => {
                if (!busy && (await run(onYes))) onClose()
              }}
            >
              {yes}
            </button>
          </footer>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}

import { AlertDialog } from '@base-ui/react/alert-dialog'
import { type ReactNode, useState } from 'react'
import styles from './modal.module.css'
import { useAction } from './use-action.ts'

interface QuestionProps {
  /** The question itself. */
  title: string
  /** What follows from a yes. */
  children: ReactNode
  /** The words of the two buttons. */
  yes: string
  no: string
  /** Does it; where it fails, the question stays and says why. */
  onYes: () => Promise<unknown>
  onClose: () => void
}

/** Asks before what is not easily undone. The focus begins at "no", and goes back to where it was. */
export function Question({ title, children, yes, no, onYes, onClose }: QuestionProps) {
  const { busy, problem, run } = useAction()
  // What asked may be gone by the answer, with whom it was about: then the dialog around it has the focus.
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
              // It keeps the focus meanwhile, which a disabled one would lose.
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

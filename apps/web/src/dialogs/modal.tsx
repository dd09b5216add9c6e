import { Dialog } from '@base-ui/react/dialog'
import { X } from 'lucide-react'
import type { ReactNode } from 'react'
import styles from './modal.module.css'

interface ModalProps {
  title: string
  onClose: () => void
  children: ReactNode
  /** What to focus first; default: the first control. */
  initialFocus?: React.RefObject<HTMLElement | null>
  footer?: ReactNode
}

/** A dialog over the page; as wide as the screen on a phone. */
export function Modal({ title, onClose, children, initialFocus, footer }: ModalProps) {
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={styles.backdrop} />
        <Dialog.Popup className={styles.popup} initialFocus={initialFocus} ref={keepFocus}>
          <header className={styles.header}>
            <Dialog.Title className={styles.title}>{title}</Dialog.Title>
            <Dialog.Close className="icon-button" aria-label="Close">
              <X aria-hidden="true" />
            </Dialog.Close>
          </header>
          <div className={styles.body}>{children}</div>
          {footer !== undefined && <footer className={styles.footer}>{footer}</footer>}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

/**
 * Moves the focus to the dialog when the focused element disappears, such as the button that removed somebody. Otherwise
 * keyboard and screen reader users would be thrown out of the dialog.
 */
function keepFocus(popup: HTMLElement | null) {
  if (popup === null) return
  const observer = new MutationObserver(() => {
    if (document.activeElement === document.body) popup.focus()
  })
  observer.observe(popup, { childList: true, subtree: true, attributeFilter: ['disabled'] })
  return () => observer.disconnect()
}

import { Component, type ReactNode } from 'react'
import styles from './error-boundary.module.css'

/** Shows a message and a reload button instead of an empty page when a view throws. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  override render() {
    if (!this.state.failed) return this.props.children
    return (
      <main className={styles.failed} role="alert">
        <h1>Something went wrong</h1>
        <p>Your messages are safe. Reloading the page usually helps.</p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Reload
        </button>
      </main>
    )
  }
}

import { LIMITS } from '@parley/protocol/limits'
import { Paperclip, SendHorizontal } from 'lucide-react'
import {
  type ClipboardEvent,
  type KeyboardEvent,
  type Ref,
  type SubmitEvent,
  useEffect,
  useId,
  useImperativeHandle,
  useRef,
  useState,
} from 'react'
import { isComposing } from '../app/composing.ts'
import { hasKeyboard } from '../app/pointer.ts'
import { randomId } from '../app/random-id.ts'
import { useChat } from '../chat/context.ts'
import { useHasSent } from '../push/sent.ts'
import styles from './composer.module.css'
import { draftOf, filesOf, keepDraft, keepFiles } from './drafts.ts'
import { Tray } from './tray.tsx'

export interface ComposerHandle {
  attach(files: readonly File[]): void
}

interface ComposerProps {
  conversationId: string
  me: string
  ref: Ref<ComposerHandle>
}

/** The input for a message and its files. */
export function Composer({ conversationId, me, ref }: ComposerProps) {
  const { client, uploads } = useChat()
  const [text, setText] = useState(() => draftOf(me, conversationId))
  const [files, setFiles] = useState(() => filesOf(me, conversationId))
  const area = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  const sent = useHasSent()
  const problemId = useId()
  const excess = text.trim().length - LIMITS.contentLength
  const canSend = excess <= 0 && (text.trim() !== '' || files.length > 0)

  const attach = (added: readonly File[]) => {
    const chosen = added.map((file) => ({ id: randomId(), file }))
    setFiles((before) => [...before, ...chosen])
    area.current?.focus()
  }
  useImperativeHandle(ref, () => ({ attach }))

  useEffect(() => {
    if (hasKeyboard()) area.current?.focus({ preventScroll: true })
    return () => client.stopTyping(conversationId)
  }, [client, conversationId])
  useEffect(() => keepDraft(me, conversationId, text), [me, conversationId, text])
  useEffect(() => keepFiles(me, conversationId, files), [me, conversationId, files])
  useGrowing(area, text)

  const change = (value: string) => {
    setText(value)
    if (value.trim() === '') client.stopTyping(conversationId)
    else client.startTyping(conversationId)
  }
  const send = () => {
    if (!canSend) return
    const content = text.trim()
    // With files, the text goes with the first one. Whatever fails stays in the history and can be retried there.
    if (files.length > 0) {
      uploads.add(
        conversationId,
        files.map(({ file }) => file),
        content,
      )
    } else client.send(conversationId, content).catch(() => undefined)
    setText('')
    setFiles([])
    client.stopTyping(conversationId)
    sent()
    area.current?.focus()
  }
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault()
    send()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method is composing, Enter chooses a word. On a touch screen it inserts a new line.
    if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return
    if (!hasKeyboard()) return
    event.preventDefault()
    send()
  }
  const onPaste = (event: ClipboardEvent) => {
    const { files: pasted, types } = event.clipboardData
    // Office programs also put a picture of the copied text on the clipboard.
    const isText = types.includes('text/plain') && types.includes('text/html')
    if (pasted.length === 0 || isText) return
    event.preventDefault()
    attach([...pasted])
  }

  return (
    <form className={styles.composer} onSubmit={onSubmit}>
      <Tray files={files} onRemove={(id) => setFiles((before) => before.filter((chosen) => chosen.id !== id))} />
      <div className={styles.line}>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label="Files to attach"
          onChange={(event) => {
            attach([...(event.target.files ?? [])])
            // Allow choosing the same file again.
            event.target.value = ''
          }}
        />
        <button
          type="button"
          className="icon-button"
          aria-label="Attach files"
          title="Attach files"
          onClick={() => picker.current?.click()}
        >
          <Paperclip aria-hidden="true" />
        </button>
        <textarea
          ref={area}
          className={styles.text}
          aria-label="Message"
          placeholder="Write a message"
          rows={1}
          dir="auto"
          value={text}
          enterKeyHint="enter"
          aria-invalid={excess > 0}
          aria-describedby={excess > 0 ? problemId : undefined}
          onChange={(event) => change(event.target.value)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          onBlur={() => client.stopTyping(conversationId)}
        />
        <button type="submit" className={styles.send} aria-label="Send" title="Send" disabled={!canSend}>
          <SendHorizontal aria-hidden="true" />
        </button>
      </div>
      {excess > 0 && (
        <p id={problemId} className={styles.problem} role="alert">
          Too long by {excess.toLocaleString()} {excess === 1 ? 'character' : 'characters'}.
        </p>
      )}
    </form>
  )
}

/** Makes a text area as high as its text, for browsers without `field-sizing`. */
function useGrowing(area: { readonly current: HTMLTextAreaElement | null }, text: string): void {
  useEffect(() => {
    const { current } = area
    if (current === null || CSS.supports('field-sizing', 'content')) return
    current.style.height = 'auto'
    current.style.height = text === '' ? '' : `${current.scrollHeight}px`
  }, [area, text])
}

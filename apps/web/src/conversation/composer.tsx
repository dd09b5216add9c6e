import { LIMITS } from '@parley/protocol/limits'
import { Paperclip, SendHorizontal } from 'lucide-react'
import {
  type ClipboardEvent,
  type KeyboardEvent,
  type Ref,
  type SubmitEvent,
  useEffect,
  useImperativeHandle,
  useRef,
  useState,
} from 'react'
import { randomId } from '../app/random-id.ts'
import { useChat } from '../chat/context.ts'
import { useHasSent } from '../push/sent.ts'
import styles from './composer.module.css'
import { draftOf, keepDraft } from './drafts.ts'
import { type ChosenFile, Tray } from './tray.tsx'

export interface ComposerHandle {
  attach(files: readonly File[]): void
}

interface ComposerProps {
  conversationId: string
  me: string
  title: string
  ref: Ref<ComposerHandle>
}

/** Where one writes, and the files that go along. */
export function Composer({ conversationId, me, title, ref }: ComposerProps) {
  const { client, uploads } = useChat()
  const [text, setText] = useState(() => draftOf(me, conversationId))
  const [files, setFiles] = useState<readonly ChosenFile[]>([])
  const area = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  const sent = useHasSent()
  const canSend = text.trim() !== '' || files.length > 0

  const attach = (added: readonly File[]) => {
    const chosen = added.map((file) => ({ id: randomId(), file }))
    setFiles((before) => [...before, ...chosen].slice(0, LIMITS.attachmentsPerMessage))
    area.current?.focus()
  }
  useImperativeHandle(ref, () => ({ attach }))

  // Where there is a real keyboard, one can write at once; on a phone it would cover half of the page.
  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) area.current?.focus({ preventScroll: true })
    return () => client.stopTyping(conversationId)
  }, [client, conversationId])
  useEffect(() => keepDraft(me, conversationId, text), [me, conversationId, text])
  useGrowing(area, text)

  const change = (value: string) => {
    setText(value)
    if (value.trim() === '') client.stopTyping(conversationId)
    else client.startTyping(conversationId)
  }
  const send = () => {
    if (!canSend) return
    const content = text.trim()
    // Files carry the text; what fails stays in the history, where it can be sent again.
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
    // While an input method is composing, Enter chooses a word. On a touch screen it is a new line.
    if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return
    if (!matchMedia('(pointer: fine)').matches) return
    event.preventDefault()
    send()
  }
  const onPaste = (event: ClipboardEvent) => {
    const pasted = [...event.clipboardData.files]
    if (pasted.length === 0) return
    event.preventDefault()
    attach(pasted)
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
            // The same file may be chosen again.
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
          placeholder={`Message ${title}`}
          rows={1}
          dir="auto"
          maxLength={LIMITS.contentLength}
          value={text}
          enterKeyHint="enter"
          onChange={(event) => change(event.target.value)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          onBlur={() => client.stopTyping(conversationId)}
        />
        <button type="submit" className={styles.send} aria-label="Send" title="Send" disabled={!canSend}>
          <SendHorizontal aria-hidden="true" />
        </button>
      </div>
    </form>
  )
}

/** Safari ends a composition before it tells of the key that ended it; the key's code is 229 there as well (WebKit 165004). */
function isComposing({ nativeEvent, keyCode }: KeyboardEvent): boolean {
  return nativeEvent.isComposing || keyCode === 229
}

/** A text area as high as its text, for browsers without `field-sizing`. */
function useGrowing(area: { readonly current: HTMLTextAreaElement | null }, text: string): void {
  useEffect(() => {
    const { current } = area
    if (current === null || CSS.supports('field-sizing', 'content')) return
    current.style.height = 'auto'
    current.style.height = text === '' ? '' : `${current.scrollHeight}px`
  }, [area, text])
}

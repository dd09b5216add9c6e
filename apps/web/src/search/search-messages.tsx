import type { SearchHit } from '@parley/client'
import { LIMITS } from '@parley/protocol/limits'
import { useEffect, useRef, useState } from 'react'
import { hrefOf } from '../app/route.ts'
import { useChat, useStore } from '../chat/context.ts'
import fields from '../dialogs/fields.module.css'
import { Modal } from '../dialogs/modal.tsx'
import { titleOf } from '../people/names.ts'
import { Result } from './result.tsx'
import styles from './search.module.css'

/** Pause in typing before the server is asked, in milliseconds. */
const PAUSE_MS = 200
const PAGE = 20

interface SearchProps {
  /** Only in this conversation; null for all. */
  conversationId: string | null
  onClose: () => void
}

/** Full-text search. Clicking a result opens the conversation at that message. */
export function SearchMessages({ conversationId, onClose }: SearchProps) {
  const { client } = useChat()
  const [text, setText] = useState('')
  const [everywhere, setEverywhere] = useState(conversationId === null)
  const input = useRef<HTMLInputElement>(null)
  const conversation = useStore(client.conversations).find(({ id }) => id === conversationId)
  const where = everywhere ? null : conversationId
  const { hits, total, state, more } = useSearch(text.trim(), where)
  const me = client.userId ?? ''

  return (
    <Modal title="Search messages" onClose={onClose} initialFocus={input}>
      <input
        ref={input}
        type="search"
        className={fields.search}
        aria-label="Search messages"
        placeholder={where === null ? 'Search all conversations' : 'Search this conversation'}
        maxLength={LIMITS.searchLength}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {conversation !== undefined && (
        <label className={`${fields.person} ${fields.choice} ${styles.scope}`}>
          <input type="checkbox" checked={!everywhere} onChange={(event) => setEverywhere(!event.target.checked)} />
          <span>Only in {titleOf(conversation, me)}</span>
        </label>
      )}
      <p className={styles.state} role="status">
        {stateWords(state, total)}
      </p>
      <ul className={styles.results} aria-label="Results">
        {hits.map((hit) => (
          <li key={hit.id}>
            <Result hit={hit} me={me} href={hrefOf(hit.conversationId, hit.seq)} onOpen={onClose} />
          </li>
        ))}
      </ul>
      {more !== null && (
        <button type="button" className="secondary" disabled={state === 'asking'} onClick={more}>
          Show more
        </button>
      )}
    </Modal>
  )
}

type SearchState = 'idle' | 'asking' | 'found' | 'failed'

function stateWords(state: SearchState, total: number): string {
  if (state === 'failed') return 'The search failed. Please try again.'
  if (state !== 'found') return ''
  if (total === 0) return 'Nothing found.'
  return total === 1 ? '1 message' : `${total >= 1_000 ? '1,000 or more' : total} messages`
}

/** Returns the results so far, and a function that loads more. Previous results stay until new ones have arrived. */
function useSearch(text: string, conversationId: string | null) {
  const { client } = useChat()
  const [hits, setHits] = useState<readonly SearchHit[]>([])
  const [total, setTotal] = useState(0)
  const [state, setState] = useState<SearchState>('idle')
  const [request, setRequest] = useState({ page: 1 })
  const asked = `${conversationId ?? ''} ${text}`
  const [last, setLast] = useState(asked)
  if (last !== asked) {
    setLast(asked)
    setRequest({ page: 1 })
  }

  useEffect(() => {
    if (text === '') {
      setHits([])
      setState('idle')
      return
    }
    let current = true
    const { page } = request
    setState('asking')
    const ask = async () => {
      const options = { page, limit: PAGE, ...(conversationId === null ? {} : { conversationId }) }
      const found = await client.search(text, options)
      if (!current) return
      // New messages shift the pages, so some results may come twice.
      setHits((before) => (page === 1 ? found.data : [...before, ...found.data].filter(isFirst)))
      setTotal(found.total)
      setState('found')
    }
    const failed = (error: unknown) => {
      if (!current) return
      // A query of nothing but punctuation finds nothing.
      const empty = error instanceof Error && 'code' in error && error.code === 'VALIDATION_FAILED'
      if (page === 1) {
        setHits([])
        setTotal(0)
      }
      setState(empty ? 'found' : 'failed')
    }
    const timer = setTimeout(() => void ask().catch(failed), page === 1 ? PAUSE_MS : 0)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [client, text, conversationId, request])

  const next = request.page + (state === 'failed' ? 0 : 1)
  const more = hits.length > 0 && (next - 1) * PAGE < total ? () => setRequest({ page: next }) : null
  return { hits, total, state, more }
}

function isFirst({ id }: SearchHit, index: number, all: readonly SearchHit[]): boolean {
  return all.findIndex((hit) => hit.id === id) === index
}

import type { SearchIndexer } from '@parley/messaging'
import type { OutboxStep } from '../outbox-drain.ts'

/** Puts what comes by into the search index. What it has put there already stays as it is. */
export function searchStep(indexer: SearchIndexer): OutboxStep {
  return { name: 'search index', run: (messages) => indexer.index(messages) }
}

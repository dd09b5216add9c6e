import { indexForSearch } from '@parley/messaging'
import { Distribution } from '@parley/runtime'
import type { OutboxStep } from '../outbox-drain.ts'

/** Upper bounds in seconds. The goal is that search finds a message within one second. */
const LAG_SECONDS = [0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60, 300]

export interface SearchStep extends OutboxStep {
  /** Time from storing messages to indexing them, in seconds. */
  readonly lag: Distribution
}

/** Adds messages to the search index. Messages already in it stay as they are. */
export function searchStep(): SearchStep {
  const lag = new Distribution(LAG_SECONDS)
  return {
    name: 'search index',
    lag,
    async run(messages, _, tx) {
      await indexForSearch(tx, messages)
      const now = Date.now()
      for (const { createdAt } of messages) lag.observe(Math.max(0, now - Date.parse(createdAt)) / 1_000)
    },
  }
}

import { indexForSearch } from '@parley/messaging'
import { Distribution } from '@parley/runtime'
import type { OutboxStep } from '../outbox-drain.ts'

/** Upper bounds, in seconds: a message is to be found within one. */
const LAG_SECONDS = [0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60, 300]

export interface SearchStep extends OutboxStep {
  /** From the storing of messages to their being in the index. */
  readonly lag: Distribution
}

/** Puts what comes by into the search index. What it has put there already stays as it is. */
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

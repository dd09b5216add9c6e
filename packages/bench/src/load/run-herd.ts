import { forkProgram } from '../forked.ts'
import type { HerdAnswer, HerdRequest, HerdUser } from './herd-message.ts'

/** Longest wait for an answer, in milliseconds. */
const ANSWER_MS = 180_000

/** Many connections in a process of its own. */
export interface Herd extends AsyncDisposable {
  /** @throws when something was not as it should be: no figure counts then */
  tell(request: HerdRequest): Promise<HerdAnswer>
}

/**
 * Starts a process that holds these people's connections.
 * @throws, as all its methods do, where messages were lost or doubled
 */
export async function startHerd(users: readonly HerdUser[]): Promise<Herd> {
  await using stack = new AsyncDisposableStack()
  const program = stack.use(forkProgram<HerdRequest, HerdAnswer>(new URL('./herd.ts', import.meta.url)))
  const tell = async (request: HerdRequest): Promise<HerdAnswer> => {
    program.tell(request)
    const answer = await program.hear(ANSWER_MS)
    if (answer.faults.length > 0) throw new Error(`not whole, the figures do not count: ${answer.faults.join('; ')}`)
    return answer
  }
  await tell({ type: 'add', users: [...users] })
  const kept = stack.move()
  return { tell, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

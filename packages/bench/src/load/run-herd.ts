import { forkProgram } from '../forked.ts'
import type { HerdAnswer, HerdRequest, HerdUser } from './herd-message.ts'

/** The longest wait for an answer, in milliseconds. */
const ANSWER_MS = 180_000

/** Many connections in a separate process. */
export interface Herd extends AsyncDisposable {
  /** @throws if anything went wrong, in which case no figures count */
  request(request: HerdRequest): Promise<HerdAnswer>
}

/**
 * Starts a process that holds these users' connections.
 * @throws, as do all its methods, if messages were lost or duplicated
 */
export async function startHerd(users: readonly HerdUser[]): Promise<Herd> {
  await using stack = new AsyncDisposableStack()
  const program = stack.use(forkProgram<HerdRequest, HerdAnswer>(new URL('./herd.ts', import.meta.url)))
  const request = async (message: HerdRequest): Promise<HerdAnswer> => {
    program.send(message)
    const answer = await program.receive(ANSWER_MS)
    if (answer.faults.length > 0) throw new Error(`incomplete, the figures do not count: ${answer.faults.join('; ')}`)
    return answer
  }
  await request({ type: 'add', users: [...users] })
  const kept = stack.move()
  return { request, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

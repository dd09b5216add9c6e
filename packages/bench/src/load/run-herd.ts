import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { HerdAnswer, HerdRequest, HerdUser } from './herd-message.ts'

const BOUND_MS = 180_000

/** Many connections in a process of its own. */
export interface Herd extends Disposable {
  /** @throws when something was not as it should be: no figure counts then */
  tell(request: HerdRequest): Promise<HerdAnswer>
}

export async function startHerd(users: readonly HerdUser[]): Promise<Herd> {
  const child = fork(fileURLToPath(new URL('./herd.ts', import.meta.url)), { serialization: 'advanced' })
  const tell = async (request: HerdRequest): Promise<HerdAnswer> => {
    const signal = AbortSignal.timeout(BOUND_MS)
    const ended = new AbortController()
    const failed = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
      throw new Error(`the herd ended with ${code}`)
    })
    failed.catch(() => undefined)
    child.send(request)
    const [answer] = (await Promise.race([once(child, 'message', { signal }), failed])) as [HerdAnswer]
    ended.abort()
    if (answer.faults.length > 0) throw new Error(`not whole, the figures do not count: ${answer.faults.join('; ')}`)
    return answer
  }
  await tell({ type: 'add', users: [...users] })
  return { tell, [Symbol.dispose]: () => void child.kill() }
}

import type { TestDevice } from '@parley/testkit/push'
import { forkProgram } from '../forked.ts'
import type { BareLoop, Rate } from './bare-loop.ts'
import type { Answer, Report, Request } from './service-process.ts'

/** Longest waits for an answer, in milliseconds: of the push service, and of a loop over all devices. */
const ANSWER_MS = 60_000
const LOOP_MS = 300_000

/** The push service's process. */
export interface ServiceProcess extends AsyncDisposable {
  readonly caFile: string
  subscribe(count: number): Promise<TestDevice['subscription'][]>
  report(): Promise<Report>
  /** Counts from here on. */
  reset(): void
}

/** Starts a push service in a process of its own. `read`: it decrypts what it gets. */
export async function startService(vapidPublicKey: string, read: boolean): Promise<ServiceProcess> {
  await using stack = new AsyncDisposableStack()
  const program = stack.use(
    forkProgram<Request, Answer>(new URL('./service-process.ts', import.meta.url), {
      args: [vapidPublicKey, String(read)],
    }),
  )
  const hear = async <Type extends Answer['type']>(type: Type) => {
    const answer = await program.hear(ANSWER_MS)
    if (answer.type !== type) throw new Error(`the push service said ${answer.type}`)
    return answer as Extract<Answer, { type: Type }>
  }
  const ask = <Type extends Answer['type']>(request: Request, type: Type) => {
    program.tell(request)
    return hear(type)
  }
  const { caFile } = await hear('ready')
  const kept = stack.move()
  return {
    caFile,
    subscribe: async (count) => (await ask({ type: 'subscribe', count }, 'devices')).devices,
    report: async () => (await ask({ type: 'report' }, 'report')).report,
    reset: () => program.tell({ type: 'reset' }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Runs the loop that sends pushes and does nothing else, in a process of its own. */
export async function runBareLoop(loop: BareLoop, caFile: string): Promise<Rate> {
  const env = { NODE_EXTRA_CA_CERTS: caFile, NODE_NO_WARNINGS: '1' }
  await using program = forkProgram<BareLoop, Rate>(new URL('./bare-loop.ts', import.meta.url), { env })
  program.tell(loop)
  return await program.hear(LOOP_MS)
}

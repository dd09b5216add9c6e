import type { TestDevice } from '@parley/testkit/push'
import { forkProgram } from '../forked.ts'
import type { BareLoop, Rate } from './bare-loop.ts'
import type { Answer, Report, Request } from './service-process.ts'

/** The longest waits for an answer, in milliseconds: of the push service, and of a loop over all devices. */
const ANSWER_MS = 60_000
const LOOP_MS = 300_000

/** The push service's process. */
export interface ServiceProcess extends AsyncDisposable {
  readonly caFile: string
  subscribe(count: number): Promise<TestDevice['subscription'][]>
  report(): Promise<Report>
  /** Restarts the count. */
  reset(): void
}

/** Starts a push service in a separate process. @param read whether it decrypts pushes */
export async function startService(vapidPublicKey: string, read: boolean): Promise<ServiceProcess> {
  await using stack = new AsyncDisposableStack()
  const program = stack.use(
    forkProgram<Request, Answer>(new URL('./service-process.ts', import.meta.url), {
      args: [vapidPublicKey, String(read)],
    }),
  )
  const receive = async <Type extends Answer['type']>(type: Type) => {
    const answer = await program.receive(ANSWER_MS)
    if (answer.type !== type) throw new Error(`unexpected answer of the push service: ${answer.type}`)
    return answer as Extract<Answer, { type: Type }>
  }
  const ask = <Type extends Answer['type']>(request: Request, type: Type) => {
    program.send(request)
    return receive(type)
  }
  const { caFile } = await receive('ready')
  const kept = stack.move()
  return {
    caFile,
    subscribe: async (count) => (await ask({ type: 'subscribe', count }, 'devices')).devices,
    report: async () => (await ask({ type: 'report' }, 'report')).report,
    reset: () => program.send({ type: 'reset' }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

/** Runs the loop that only sends pushes, in a separate process. */
export async function runBareLoop(loop: BareLoop, caFile: string): Promise<Rate> {
  const env = { NODE_EXTRA_CA_CERTS: caFile, NODE_NO_WARNINGS: '1' }
  await using program = forkProgram<BareLoop, Rate>(new URL('./bare-loop.ts', import.meta.url), { env })
  program.send(loop)
  return await program.receive(LOOP_MS)
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { TestDevice } from '@parley/testkit/push'
import type { BareLoop, Rate } from './bare-loop.ts'
import type { Answer, Report, Request } from './service-process.ts'

const ANSWER_BOUND_MS = 60_000

/** The push service's process. */
export interface ServiceProcess extends AsyncDisposable {
  readonly caFile: string
  subscribe(count: number): Promise<TestDevice['subscription'][]>
  report(): Promise<Report>
  /** Counts from here on. */
  reset(): void
}

export async function startService(vapidPublicKey: string, read: boolean): Promise<ServiceProcess> {
  const child = fork(new URL('./service-process.ts', import.meta.url), [vapidPublicKey, String(read)])
  const first = await answerOf(child)
  if (first.type !== 'ready') throw new Error(`the push service said ${first.type}`)
  const ask = async <Type extends Answer['type']>(request: Request, type: Type) => {
    const answered = answerOf(child)
    child.send(request)
    const answer = await answered
    if (answer.type !== type) throw new Error(`the push service said ${answer.type}`)
    return answer as Extract<Answer, { type: Type }>
  }
  return {
    caFile: first.caFile,
    subscribe: async (count) => (await ask({ type: 'subscribe', count }, 'devices')).devices,
    report: async () => (await ask({ type: 'report' }, 'report')).report,
    reset: () => void child.send({ type: 'reset' } satisfies Request),
    [Symbol.asyncDispose]: async () => {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}

export async function runBareLoop(loop: BareLoop, caFile: string): Promise<Rate> {
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: caFile, NODE_NO_WARNINGS: '1' }
  const child = fork(new URL('./bare-loop.ts', import.meta.url), [], { env })
  const ended = once(child, 'exit')
  const answered = once(child, 'message', { signal: AbortSignal.timeout(5 * ANSWER_BOUND_MS) })
  child.send(loop)
  const [rate] = (await answered) as [Rate]
  await ended
  return rate
}

/** Processor time that a process has used so far, in ms: fields 14 and 15 of /proc, in hundredths of a second. */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function answerOf(child: ChildProcess): Promise<Answer> {
  const [answer] = await once(child, 'message', { signal: AbortSignal.timeout(ANSWER_BOUND_MS) })
  return answer as Answer
}

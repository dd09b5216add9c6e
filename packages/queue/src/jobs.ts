import { z } from 'zod'

/*
 * The kinds of jobs and their data. Jobs hold only ids and positions: the content is looked up when the job runs, so that it is
 * current.
 *
 * During a rolling upgrade, workers of the previous version also get this version's jobs. They put back jobs of an unknown
 * kind and ignore unknown fields: what must not be ignored needs a kind of its own.
 * pass over a field that they do not know: what must not be passed over is a kind of its own.
 */

const person = { userId: z.string() }
/** For the retry of a single device: which one, and the number of attempts so far. */
const retry = { subscriptionId: z.string().optional(), tries: z.int().optional() }
const messageRange = {
  ...person,
  conversationId: z.string(),
  messageId: z.string(),
  /** The newest message that the job is for, and the first of those with it. */
  seq: z.int(),
  firstSeq: z.int(),
  /** When the first one was stored, in ms since 1970. */
  sentAt: z.number(),
  /** The trace context of one of the messages (a W3C traceparent). */
  trace: z.string().optional(),
}

/** The kinds of jobs of the queue `push`. */
export const pushJobs = {
  /** Notifies a person of a message on all their devices. */
  message: z.object(messageRange),
  /** Retries one device. `tries` counts the attempts so far. */
  device: z.object({ ...messageRange, subscriptionId: z.string(), tries: z.int() }),
  /** Summarizes what arrived during quiet hours, once they are over. */
  digest: z.object({ ...person, ...retry, since: z.string() }),
  /**
   * Closes the notifications of a conversation that the person has read or left. With `replacedAt` (in ms since 1970): a device
   * then got a separate notification of the conversation in place of its part of a summary; the summary is closed if it is empty.
   */
  close: z.object({ ...person, ...retry, conversationId: z.string(), replacedAt: z.number().optional() }),
} as const

/** Each queue with its kinds of jobs. */
export const queues = { push: pushJobs } as const

export type QueueName = keyof typeof queues
export type JobName<Queue extends QueueName> = keyof (typeof queues)[Queue] & string
export type JobData<Queue extends QueueName, Name extends JobName<Queue>> = z.infer<
  Extract<(typeof queues)[Queue][Name], z.ZodType>
>

/** A job to be queued. */
export type NewJob<Queue extends QueueName> = {
  [Name in JobName<Queue>]: {
    name: Name
    data: JobData<Queue, Name>
    /** A job with the id of a known one is not added; see `KEPT`. Consists of letters, digits, `-` and `_`. */
    id: string
    /** Milliseconds until it may run. */
    delayMs?: number
  }
}[JobName<Queue>]

/**
 * How long finished jobs are kept (seconds, and at most so many). Completed ones are kept so that the same job is not queued
 * twice, failed ones for diagnosis.
 */
export const KEPT = {
  completed: { age: 15 * 60, count: 50_000 },
  failed: { age: 7 * 24 * 3_600, count: 5_000 },
} as const

/** Encodes any text as a part of a job id, without colons, which BullMQ does not allow. */
export function idPart(text: string): string {
  return Buffer.from(text).toString('base64url')
}

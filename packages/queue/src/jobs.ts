import { z } from 'zod'

/*
 * Every kind of job and what it carries. Jobs hold ids and positions only: what is to be said is looked up when the job
 * runs, so that it is true then.
 *
 * Workers of the version before run on what this one queues, while it is rolled out. They put back a kind that they do not know, and
 * pass over a field that they do not know: what must not be passed over is a kind of its own.
 */

const person = { userId: z.string() }
/** One device by itself that could not be told, and how often that was tried. */
const again = { subscriptionId: z.string().optional(), tries: z.int().optional() }
const news = {
  ...person,
  conversationId: z.string(),
  messageId: z.string(),
  /** The newest message that the job is due for, and the first of those that came with it. */
  seq: z.int(),
  firstSeq: z.int(),
  /** When that first one was stored, in ms since 1970. */
  sentAt: z.number(),
  /** The trace of one of those messages (a W3C traceparent). */
  trace: z.string().optional(),
}

/** The kinds of jobs of the queue `push`. */
export const pushJobs = {
  /** A message is due to a person: all of their devices. */
  message: z.object(news),
  /** One device could not be told and is tried again. `tries` counts the attempts so far. */
  device: z.object({ ...news, subscriptionId: z.string(), tries: z.int() }),
  /** Quiet hours are over: what came in them, summed up. */
  digest: z.object({ ...person, ...again, since: z.string() }),
  /**
   * A person has read, or left, a conversation: its notifications go from their screens. With `replacedAt` (in ms since 1970): it
   * got a notification of its own on a device then, in the place of its part of a summary, which goes if nothing is left of it.
   */
  close: z.object({ ...person, ...again, conversationId: z.string(), replacedAt: z.number().optional() }),
} as const

/** Each queue with its jobs. */
export const queues = { push: pushJobs } as const

export type QueueName = keyof typeof queues
export type JobName<Queue extends QueueName> = keyof (typeof queues)[Queue] & string
export type JobData<Queue extends QueueName, Name extends JobName<Queue>> = z.infer<
  Extract<(typeof queues)[Queue][Name], z.ZodType>
>

/** One job to be queued. */
export type NewJob<Queue extends QueueName> = {
  [Name in JobName<Queue>]: {
    name: Name
    data: JobData<Queue, Name>
    /** Two jobs of one id are one, while the first is known: see `KEPT`. Made of letters, digits, `-` and `_`. */
    id: string
    /** Milliseconds before it may run. */
    delayMs?: number
  }
}[JobName<Queue>]

/**
 * What a queue keeps of jobs that are over. A finished job is kept so that the same one cannot be queued a second time;
 * a failed one so that somebody can see why.
 */
export const KEPT = {
  completed: { age: 15 * 60, count: 50_000 },
  failed: { age: 7 * 24 * 3_600, count: 5_000 },
} as const

/** A part of a job id, from any text: BullMQ takes no colon in ids. */
export function idPart(text: string): string {
  return Buffer.from(text).toString('base64url')
}

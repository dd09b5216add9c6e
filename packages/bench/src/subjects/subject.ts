import type { LoadUser } from '../load/message.ts'

export interface Services {
  /** A Postgres whose commits are durable; each subject makes a database of its own in it. */
  postgresUrl: string
  redisUrl: string
}

export interface Shape {
  users: number
  roomSize: number
}

/** A running server that is measured. */
export interface RunningSubject {
  users: LoadUser[]
  /** Messages that are stored, all told; null where the subject stores nothing. */
  stored(): Promise<number | null>
  stop(): Promise<void>
}

export interface Subject {
  name: string
  start(services: Services, shape: Shape): Promise<RunningSubject>
}

/** User i is in room i div roomSize and at gateway i mod n, so that every room spans all gateways. */
export function layOut(
  shape: Shape,
  gateways: readonly string[],
  of: (user: number, room: number) => Pick<LoadUser, 'auth' | 'conversationId'>,
): LoadUser[] {
  return Array.from({ length: shape.users }, (_, i) => {
    const room = Math.floor(i / shape.roomSize)
    const roomSize = Math.min(shape.roomSize, shape.users - room * shape.roomSize)
    return { gateway: gateways[i % gateways.length] ?? '', roomSize, ...of(i, room) }
  })
}

/** An id for the nth thing. */
export function uuidOf(n: number): string {
  return `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`
}

import type { LoadUser } from '../load/message.ts'

export interface Services {
  /** A Postgres whose commits are durable; each subject creates a database in it. */
  postgresUrl: string
  redisUrl: string
}

export interface Shape {
  users: number
  roomSize: number
  /** Conversations per person. Default 1. */
  roomsEach?: number
  /** Default 2. */
  gateways?: number
}

/** A running server to be measured. */
export interface RunningSubject {
  users: LoadUser[]
  gatewayPids: number[]
  /** Returns the total number of stored messages; null if the subject stores none. */
  stored(): Promise<number | null>
  /** Resolves when no work is left for the messages sent. */
  settled(): Promise<void>
  stop(): Promise<void>
}

export interface Subject {
  name: string
  start(services: Services, shape: Shape): Promise<RunningSubject>
}

/** Distributes users: user i's first room is i div roomSize and their gateway i mod n, so that every room spans all gateways. */
export function layOut(
  shape: Shape,
  gateways: readonly string[],
  of: (user: number) => Pick<LoadUser, 'auth'>,
): LoadUser[] {
  return Array.from({ length: shape.users }, (_, i) => {
    const room = roomsOf(i, shape)[0] ?? 0
    const roomSize = Math.min(shape.roomSize, shape.users - room * shape.roomSize)
    return { gateway: gateways[i % gateways.length] ?? '', roomSize, conversationId: uuidOf(room), ...of(i) }
  })
}

/** Coprime to any number of people with only the prime factors 2, 3 and 5. */
const STRIDES = [1, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79]

/** Returns the numbers of a person's rooms. They share each room with different people. */
export function roomsOf(user: number, { users, roomSize, roomsEach = 1 }: Shape): number[] {
  const inSet = Math.ceil(users / roomSize)
  return STRIDES.slice(0, roomsEach).map(
    (stride, set) => set * inSet + Math.floor(((user * stride) % users) / roomSize),
  )
}

/** Returns the nth id. */
export function uuidOf(n: number): string {
  return `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`
}

import type { LoadUser } from '../load/message.ts'

export interface Services {
  /** A Postgres whose commits are durable; each subject makes a database of its own in it. */
  postgresUrl: string
  redisUrl: string
}

export interface Shape {
  users: number
  roomSize: number
  /** Conversations that each person is in; 1 when left out. */
  roomsEach?: number
  /** 2 when left out. */
  gateways?: number
}

/** A running server that is measured. */
export interface RunningSubject {
  users: LoadUser[]
  gatewayPids: number[]
  /** Messages that are stored, all told; null where the subject stores nothing. */
  stored(): Promise<number | null>
  /** Resolves when nothing is left to do of what was sent. */
  settled(): Promise<void>
  stop(): Promise<void>
}

export interface Subject {
  name: string
  start(services: Services, shape: Shape): Promise<RunningSubject>
}

/** User i's first conversation is i div roomSize, and their gateway i mod n, so that every room spans all gateways. */
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

/** Prime to any number of people that is made of twos, threes and fives. */
const STRIDES = [1, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79]

/** Numbers of the rooms that a person is in. In each set of rooms people meet others. */
export function roomsOf(user: number, { users, roomSize, roomsEach = 1 }: Shape): number[] {
  const inSet = Math.ceil(users / roomSize)
  return STRIDES.slice(0, roomsEach).map(
    (stride, set) => set * inSet + Math.floor(((user * stride) % users) / roomSize),
  )
}

/** An id for the nth thing. */
export function uuidOf(n: number): string {
  return `00000000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`
}

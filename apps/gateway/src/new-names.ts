import { type Bus, peopleNotices, socketsIn, userRoom } from '@parley/fanout'
import type { People } from '@parley/messaging'
import type { Server } from 'socket.io'
import { sessionOf } from './session.ts'

interface NewNamesOptions {
  io: Server
  bus: Bus
  people: People
  onError: (error: unknown) => void
}

/** Applies names and pictures that a service has written to open sockets. If the notice is lost, the next token brings them. */
export function takeNewNames({ io, bus, people, onError }: NewNamesOptions): void {
  const take = async (userId: string) => {
    const theirs = [...socketsIn(io, userRoom(userId))]
    if (theirs.length === 0) return
    const user = await people.get(userId)
    for (const socket of theirs) sessionOf(socket).user = user
  }
  const listener = (userIds: readonly string[]) => {
    people.forget(userIds)
    for (const userId of userIds) take(userId).catch(onError)
  }
  peopleNotices.listen(bus, listener, onError)
}

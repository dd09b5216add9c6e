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

/** Whom the product's server writes is called so on the sockets that are open; those whose notice is lost, from their next token on. */
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

import type { Server } from 'socket.io'

/** The part of an Engine.IO socket that is used here. `flush` and `writeBuffer` are not in its published types. */
interface EngineSocket {
  id: string
  readyState: string
  writeBuffer: { data?: unknown; options?: { wsPreEncodedFrame?: readonly Buffer[] } | null }[]
  transport: { name: string; writable: boolean; socket?: { _socket?: TcpSocket; terminate(): void } }
  flush(): void
  close(discard?: boolean): void
  once(event: 'close', listener: () => void): unknown
}

interface TcpSocket {
  readonly writableLength: number
  cork(): void
  uncork(): void
}

export interface CorkOptions {
  /**
   * A connection that has more unsent bytes than this for longer than `patienceMs` is closed; its client comes back and
   * syncs. One that reads may well be behind for a moment: the answers to a hundred sends of 10 kB each are 2 MB.
   */
  maxUnsentBytes: number
  patienceMs: number
  /** With more than this it is closed at once: what one connection may cost. */
  hardUnsentBytes: number
  /** Called with the number of unsent bytes when that happens. */
  onSlow?: (unsentBytes: number) => void
}

/**
 * Gathers all packets that one turn of the event loop sends to a connection into one flush, and its frames into one
 * writev. Engine.IO by itself flushes each packet as it comes: a system call each. The cork alone lifts the plain stack
 * by a third to a half; figures in docs/PERFORMANCE.md.
 */
export function corkFrames(io: Server, options: CorkOptions): void {
  const { onSlow } = options
  /** Since when each connection is behind, by `performance.now()`. */
  const behindSince = new WeakMap<EngineSocket, number>()
  const isTooSlow = (conn: EngineSocket, unsent: number) => {
    if (unsent > options.hardUnsentBytes) return true
    if (unsent <= options.maxUnsentBytes) {
      behindSince.delete(conn)
      return false
    }
    const now = performance.now()
    const since = behindSince.get(conn) ?? now
    behindSince.set(conn, since)
    return now - since > options.patienceMs
  }
  let waiting = new Set<EngineSocket>()
  const flushAll = () => {
    const batch = waiting
    waiting = new Set()
    for (const conn of batch) flush(conn)
  }
  const flush = (conn: EngineSocket) => {
    const tcp = conn.transport.name === 'websocket' ? conn.transport.socket?._socket : undefined
    const unsent = (tcp?.writableLength ?? 0) + bufferedBytes(conn)
    if (conn.readyState === 'open' && isTooSlow(conn, unsent)) {
      onSlow?.(unsent)
      conn.close(true)
      // A close frame would wait behind all that is unsent.
      conn.transport.socket?.terminate()
      return
    }
    tcp?.cork()
    try {
      stockFlush.call(conn)
    } finally {
      tcp?.uncork()
    }
  }
  let stockFlush: () => void = () => undefined
  io.engine.on('connection', (conn: EngineSocket) => {
    stockFlush = Object.getPrototypeOf(conn).flush
    conn.flush = () => {
      // What is sent while a transport closes must go out before it is gone.
      if (conn.readyState !== 'open') return stockFlush.call(conn)
      if (waiting.size === 0) setImmediate(flushAll)
      waiting.add(conn)
    }
    conn.once('close', () => waiting.delete(conn))
  })
}

/** Bytes that wait in Engine.IO for a transport which is not writable. What it can take at once is not behind. */
function bufferedBytes(conn: EngineSocket): number {
  let bytes = 0
  if (conn.transport.writable) return bytes
  for (const { data, options } of conn.writeBuffer) {
    const frame = options?.wsPreEncodedFrame
    if (frame !== undefined) for (const part of frame) bytes += part.length
    else if (typeof data === 'string' || Buffer.isBuffer(data)) bytes += data.length
  }
  return bytes
}

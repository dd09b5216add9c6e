import type { Server } from 'socket.io'

/** The part of an Engine.IO socket used here. `flush` and `writeBuffer` are missing from its published types. */
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
   * A connection with more unsent bytes than this for longer than `patienceMs` is closed; its client reconnects and syncs. A
   * healthy one may be behind for a moment: the answers to a hundred sends of 10 kB each are 2 MB.
   */
  maxUnsentBytes: number
  patienceMs: number
  /** A connection with more unsent bytes than this is closed at once: it bounds the memory for one connection. */
  hardUnsentBytes: number
  /** Called with the number of unsent bytes when a connection is closed for either reason. */
  onSlow?: (unsentBytes: number) => void
}

/**
 * Combines all packets that one turn of the event loop sends to a connection into one flush, and its frames into one writev.
 * By default Engine.IO flushes each packet by itself, with one system call each. Corking alone speeds up plain Socket.IO by a
 * third to a half; figures in docs/PERFORMANCE.md.
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
      // A close frame would be queued behind all the unsent bytes.
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
      // Packets sent while the transport is closing must be written before it is gone.
      if (conn.readyState !== 'open') return stockFlush.call(conn)
      if (waiting.size === 0) setImmediate(flushAll)
      waiting.add(conn)
    }
    conn.once('close', () => waiting.delete(conn))
  })
}

/** Bytes buffered in Engine.IO for a transport that is not writable. If it is writable, nothing is behind. */
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

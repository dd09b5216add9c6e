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
  /** A connection with more unsent bytes than this is closed; its client comes back and syncs. */
  maxUnsentBytes: number
  /** Called with the number of unsent bytes when that happens. */
  onSlow?: (unsentBytes: number) => void
}

/**
 * Gathers all packets that one turn of the event loop sends to a connection into one flush, and its frames into one
 * writev. Engine.IO by itself flushes each packet as it comes: a system call each. The cork alone lifts the plain stack
 * by a third to a half; figures in docs/PERFORMANCE.md.
 */
export function corkFrames(io: Server, { maxUnsentBytes, onSlow }: CorkOptions): void {
  let waiting = new Set<EngineSocket>()
  const flushAll = () => {
    const batch = waiting
    waiting = new Set()
    for (const conn of batch) flush(conn)
  }
  const flush = (conn: EngineSocket) => {
    const tcp = conn.transport.name === 'websocket' ? conn.transport.socket?._socket : undefined
    const unsent = (tcp?.writableLength ?? 0) + bufferedBytes(conn)
    if (unsent > maxUnsentBytes && conn.readyState === 'open') {
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

/** Bytes that wait in Engine.IO for a transport which is not writable. A healthy connection has next to none. */
function bufferedBytes(conn: EngineSocket): number {
  let bytes = 0
  if (conn.transport.writable && conn.writeBuffer.length < 64) return bytes
  for (const { data, options } of conn.writeBuffer) {
    const frame = options?.wsPreEncodedFrame
    if (frame !== undefined) for (const part of frame) bytes += part.length
    else if (typeof data === 'string' || Buffer.isBuffer(data)) bytes += data.length
  }
  return bytes
}

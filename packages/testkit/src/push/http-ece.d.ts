declare module 'http_ece' {
  import type { ECDH } from 'node:crypto'

  /** Decrypts an RFC 8188 body with the receiver's keys (RFC 8291). Throws if they do not match. */
  export function decrypt(
    body: Buffer,
    parameters: { version: 'aes128gcm'; privateKey: ECDH; authSecret: string },
  ): Buffer
}

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import type { S3Address } from '@parley/local/services'
import type { TestCertificate } from './certificate.ts'
import { listenOnLoopback } from './listen.ts'

/** The settings of a Redis server that only accepts TLS, and its URL. */
export interface RedisTls {
  settings(port: number): string[]
  /** Returns a rediss:// URL with the password, whose special characters are escaped. */
  url(port: number): string
  /** The CA certificate for clients in this process; undefined if NODE_EXTRA_CA_CERTS has it. */
  ca: string | undefined
}

export interface TlsFiles extends AsyncDisposable {
  certFile: string
  keyFile: string
}

/** Writes a certificate and its key to files, for servers that need files; disposing removes them. */
export async function tlsFiles({ cert, key }: Pick<TestCertificate, 'cert' | 'key'>): Promise<TlsFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-tls-'))
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key, { mode: 0o600 })])
  return { certFile, keyFile, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

/** Returns the settings for a Redis with TLS, for clients and between nodes, and a password. */
export function redisTls({
  certFile,
  keyFile,
  ca,
}: Pick<TlsFiles, 'certFile' | 'keyFile'> & { ca?: string }): RedisTls {
  const password = `p@ss/w:rd ${randomBytes(6).toString('hex')}`
  return {
    ca,
    settings: (port) => [
      ...['--port', '0', '--tls-port', String(port), '--tls-cert-file', certFile, '--tls-key-file', keyFile],
      ...[
        '--tls-ca-cert-file',
        certFile,
        '--tls-auth-clients',
        'no',
        '--tls-replication',
        'yes',
        '--tls-cluster',
        'yes',
      ],
      ...['--requirepass', password, '--masterauth', password],
    ],
    url: (port) => `rediss://:${encodeURIComponent(password)}@127.0.0.1:${port}`,
  }
}

/** Puts a TLS proxy in front of a server. Bytes pass unchanged, so signatures over the host name remain valid. */
export async function tlsInFront(
  s3: S3Address,
  { cert, key }: Pick<TestCertificate, 'cert' | 'key'>,
): Promise<S3Address & AsyncDisposable> {
  const { hostname, port } = new URL(s3.endpoint)
  const server = createServer({ cert, key }, (client) => {
    const upstream = connect(Number(port), hostname)
    client.pipe(upstream).pipe(client)
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
  return {
    ...s3,
    endpoint: `https://127.0.0.1:${await listenOnLoopback(server)}`,
    // Does not wait for connections to close: a pool may keep them open forever.
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

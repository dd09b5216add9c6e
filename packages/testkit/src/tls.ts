import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import type { S3Address } from '@parley/local/services'
import type { TestCertificate } from './certificate.ts'

/** A certificate in files, as servers of other languages want them, and the settings of a Redis that speaks TLS only. */
export interface RedisTls {
  settings(port: number): string[]
  /** rediss:// with the password in it, which has characters that must be written otherwise in an address. */
  url(port: number): string
  /** What a client of this process is to trust; undefined where NODE_EXTRA_CA_CERTS says it. */
  ca: string | undefined
}

export interface TlsFiles extends AsyncDisposable {
  certFile: string
  keyFile: string
}

/** A certificate and its key as files, for servers that want them so; removed when disposed. */
export async function tlsFiles({ cert, key }: Pick<TestCertificate, 'cert' | 'key'>): Promise<TlsFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-tls-'))
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key, { mode: 0o600 })])
  return { certFile, keyFile, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

/** How a Redis is made to speak TLS, to its clients and to other nodes, and to want a password. */
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

/** Puts TLS before a server that has none. Every byte passes as it is: a signature over the host name stays good. */
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
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const own = typeof address === 'object' && address !== null ? address.port : 0
  return {
    ...s3,
    endpoint: `https://127.0.0.1:${own}`,
    // Connections that a pool keeps open would hold it for ever.
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

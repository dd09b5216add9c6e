import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import forge from 'node-forge'

/** A certificate for this machine, and a CA file for NODE_EXTRA_CA_CERTS with it and the certificates trusted so far. */
export interface TestCertificate extends AsyncDisposable {
  key: string
  cert: string
  caFile: string
}

const HOUR_MS = 3_600_000

/** Creates a new certificate, valid for a day, for `localhost` and the loopback addresses. */
export async function createTestCertificate(): Promise<TestCertificate> {
  const keys = await new Promise<forge.pki.rsa.KeyPair>((resolve, reject) => {
    forge.pki.rsa.generateKeyPair({ bits: 2048 }, (error, pair) => (error ? reject(error) : resolve(pair)))
  })
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = keys.publicKey
  certificate.serialNumber = '01'
  certificate.validity.notBefore = new Date(Date.now() - HOUR_MS)
  certificate.validity.notAfter = new Date(Date.now() + 24 * HOUR_MS)
  // Each has a distinct name, which tells the trusted certificates apart.
  const name = [{ name: 'commonName', value: `Parley tests ${randomUUID()}` }]
  certificate.setSubject(name)
  certificate.setIssuer(name)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true },
    {
      name: 'subjectAltName',
      altNames: [
        { type: 2, value: 'localhost' },
        { type: 7, ip: '127.0.0.1' },
        { type: 7, ip: '::1' },
      ],
    },
  ])
  certificate.sign(keys.privateKey, forge.md.sha256.create())
  const folder = await mkdtemp(join(tmpdir(), 'parley-certificate-'))
  const caFile = join(folder, 'ca.pem')
  const cert = forge.pki.certificateToPem(certificate)
  const trusted = process.env.NODE_EXTRA_CA_CERTS
  await writeFile(caFile, trusted ? `${cert}\n${await readFile(trusted, 'utf8')}` : cert)
  return {
    key: forge.pki.privateKeyToPem(keys.privateKey),
    cert,
    caFile,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

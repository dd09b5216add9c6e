import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

/* `npm run audit:dependencies`, with a fake registry. */

const AUDIT = fileURLToPath(new URL('../audit.mjs', import.meta.url))

/** The answer of npm's endpoint with a vulnerability in every version of Fastify. */
const weakness = (severity: string) => ({
  fastify: [
    {
      id: 1,
      url: 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc',
      title: 'A weakness',
      severity,
      vulnerable_versions: '>=0',
      cwe: [],
      cvss: { score: 0, vectorString: null },
    },
  ],
})

/** Runs the audit against a registry with this answer. */
async function auditOf(status: number, answer: object) {
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const env = { ...process.env, npm_config_registry: registry, PNPM_CONFIG_REGISTRY: registry }
  try {
    return await new Promise<{ failed: boolean; said: string }>((resolve) => {
      execFile(process.execPath, [AUDIT], { env }, (error, stdout) =>
        resolve({ failed: error !== null, said: stdout.trim() }),
      )
    })
  } finally {
    server.close()
  }
}

it.each([
  ['a high one', weakness('high'), true, 'audit: 0 info, 0 low, 0 moderate, 1 high, 0 critical'],
  ['a moderate one', weakness('moderate'), false, 'audit: 0 info, 0 low, 1 moderate, 0 high, 0 critical'],
  ['none', {}, false, 'audit: 0 info, 0 low, 0 moderate, 0 high, 0 critical'],
])('counts vulnerabilities, and fails if they are serious: %s', async (_what, answer, failed, said) => {
  expect(await auditOf(200, answer)).toEqual({ failed, said })
})

it('says that it was not run if the registry does not support the request', async () => {
  const said = 'audit: NOT RUN, the registry answered 405; vulnerabilities are unknown'
  expect(await auditOf(405, {})).toEqual({ failed: false, said })
})

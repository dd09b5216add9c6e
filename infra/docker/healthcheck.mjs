/**
 * `node healthcheck.mjs [live|ready]`: the image's HEALTHCHECK. Exits with 0 if this container's process reports that it is
 * healthy on its admin port, otherwise with 1. Prints the answer. Plain JavaScript, because it runs every few seconds.
 */
import { get } from 'node:http'

const TIMEOUT_MS = 3_000

const asked = process.argv[2] ?? 'live'
const request = get(
  { host: '127.0.0.1', port: process.env.ADMIN_PORT, path: `/health/${asked}`, timeout: TIMEOUT_MS, agent: false },
  (answer) => {
    answer.pipe(process.stdout)
    process.exitCode = answer.statusCode === 200 ? 0 : 1
  },
)
request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)))
request.on('error', (error) => {
  console.error(error.message)
  process.exitCode = 1
})

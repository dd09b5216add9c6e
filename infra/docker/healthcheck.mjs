/**
 * `node healthcheck.mjs [live|ready]`: what the image's HEALTHCHECK runs. Ends with 0 when the process of this container
 * answers well on its admin port, else with 1 and its answer. Plain JavaScript: it runs every few seconds.
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

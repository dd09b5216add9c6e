import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { dataOf, direct, startCluster, user } from '@parley/testkit'
import { expect, it } from 'vitest'

const PROGRAM = fileURLToPath(new URL('../src/search/rebuild.ts', import.meta.url))
const COUNT = 150

/** Runs the command until it exits. */
async function rebuild(databaseUrl: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env: { ...process.env, DATABASE_URL: databaseUrl } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  return { code, output }
}

it('rebuilds the index while messages are sent, and reports its progress', async () => {
  await using cluster = await startCluster({ gateways: 0, edge: false })
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const { id } = await direct(cluster, ahmed, fatima)
  const api = cluster.api(ahmed)
  const send = (text: string) => api.post(`/api/messages/conversations/${id}/messages`, { content: `counted ${text}` })
  const found = async () => {
    const { body } = await api.get('/api/messages/search?query=counted&limit=1')
    return body.success ? body.meta?.total : 0
  }
  await cluster.sql.query(
    `insert into messages (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, created_at)
     select $1, n, gen_random_uuid(), n, $2, n::text, 'counted ' || n, 'TEXT', now() from generate_series(1, $3::int) n`,
    [id, ahmed.id, COUNT],
  )
  await cluster.sql.query('update conversations set last_seq = $2, rev = $2 where id = $1', [id, COUNT])
  expect(await found()).toBe(0)
  const [run] = await Promise.all([
    rebuild(cluster.databaseUrl, '--batch', '20'),
    ...Array.from({ length: 10 }, async (_, n) => dataOf(await send(`live ${n}`))),
  ])
  expect(run.code, run.output).toBe(0)
  expect(run.output).toMatch(/search index: 1\d\d of 1\d\d messages \(100 %\), .*; done/)
  await expect.poll(found).toBe(COUNT + 10)

  // Again, and from the middle: nothing changes.
  expect((await rebuild(cluster.databaseUrl, '--after', `${id}:100`)).output).toContain('done')
  expect(await found()).toBe(COUNT + 10)
})

it('says what is wrong with its arguments or its settings', async () => {
  const [argument, unreachable, setting] = await Promise.all([
    rebuild('postgres://nowhere.invalid/x', '--after', 'here'),
    rebuild('postgres://127.0.0.1:1/x'),
    rebuild('ftp://nowhere'),
  ])
  expect(argument.code).toBe(64)
  expect(unreachable.code).toBe(1)
  expect(unreachable.output).toMatch(/^search index: failed: .*ECONNREFUSED/m)
  expect(setting.output).toContain('DATABASE_URL')
})

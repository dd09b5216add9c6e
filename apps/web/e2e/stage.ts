import { type Edge, ensureWebClient, startEdge, type Target } from '@parley/local'
import { findChromium } from '@parley/local/chromium'
import type { User } from '@parley/protocol'
import { type Cluster, type Pod, providedServices, startCluster, vapidSettings } from '@parley/testkit'
import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core'
import { Visitor } from './visitor.ts'

/** The browser itself must not send requests in the background. */
const BROWSER_FLAGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
]

export interface VisitOptions extends BrowserContextOptions {
  /** The gateway that the page connects to, 0 or 1; the other one while that is down. */
  gateway?: 0 | 1
  /** Whether to sign nobody in, so that the page shows its sign-in. */
  signedOut?: boolean
  /** The fragment to open, for example `#/c/<conversation>`. */
  hash?: string
}

/** A real cluster with two gateways, a URL for each of them, and a browser. Shared by all tests. */
export interface Stage extends AsyncDisposable {
  readonly cluster: Cluster
  readonly browser: Browser
  /** The URLs of the page, one for each gateway. */
  readonly addresses: readonly [string, string]
  /** Opens the page as this person, in a new browser context. */
  visit(who: User, options?: VisitOptions): Promise<Visitor>
  /** Takes a page offline. Browsers keep open WebSockets, so those at the page's URL are cut, too. */
  goOffline(visitor: Visitor): Promise<void>
  /** Closes all pages. Returns their problems: errors, violations of the policy, requests to other origins. */
  leave(): Promise<string[]>
}

/** Builds the web client if necessary, then starts the cluster, the edges and the browser. */
export async function startStage(): Promise<Stage> {
  const program = findChromium()
  if (program === undefined) {
    throw new Error('No Chrome or Chromium was found: install one, set CHROME_PATH, or use npm test.')
  }
  await using undo = new AsyncDisposableStack()
  const { directory } = await ensureWebClient()
  // With VAPID keys the cluster offers push, although this browser cannot reach a push service.
  const cluster = undo.use(await startCluster({ env: vapidSettings() }))
  const web = { directory, storageOrigin: providedServices().s3?.endpoint }
  const api = () => targetsOf(cluster.apis)
  const edgeAt = async (gateway: 0 | 1) => {
    const others = () => targetsOf(cluster.gateways)
    const own = () => targetsOf(cluster.gateways.slice(gateway, gateway + 1))
    const targets = { api, gateway: () => (own().length > 0 ? own() : others()) }
    const open = (port: number) => startEdge({ port, host: '127.0.0.1', web, targets })
    const edge = new Door(await open(0), open)
    undo.defer(() => edge.close())
    return edge
  }
  const doors = [await edgeAt(0), await edgeAt(1)] as const
  const addresses = [doors[0].address, doors[1].address] as const
  const browser = await chromium.launch({ executablePath: program, args: BROWSER_FLAGS, timeout: 60_000 })
  undo.defer(() => browser.close())
  const origins = [...addresses, ...(web.storageOrigin === undefined ? [] : [web.storageOrigin])]
  const visitors = new Set<Visitor>()
  const parts = undo.move()

  return {
    cluster,
    browser,
    addresses,
    visit: async (who, { gateway = 0, signedOut = false, hash = '', ...contextOptions } = {}) => {
      const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...contextOptions })
      const visitor = new Visitor({ who, context, page: await context.newPage(), address: addresses[gateway], origins })
      visitors.add(visitor)
      if (!signedOut) await visitor.bringToken(cluster.token(who))
      await visitor.page.goto(`${addresses[gateway]}/${hash}`)
      return visitor
    },
    goOffline: async (visitor) => {
      await visitor.context.setOffline(true)
      await doors[visitor.address === addresses[0] ? 0 : 1].cut()
    },
    leave: async () => {
      const all = [...visitors]
      visitors.clear()
      await Promise.all(all.map((visitor) => visitor.context.close()))
      return all.flatMap((visitor) => visitor.problems.map((problem) => `${visitor.who.fullName}: ${problem}`))
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** An edge whose connections can be cut. */
class Door {
  readonly address: string
  readonly #open: (port: number) => Promise<Edge>
  #edge: Edge

  constructor(edge: Edge, open: (port: number) => Promise<Edge>) {
    this.#edge = edge
    this.#open = open
    this.address = `http://localhost:${edge.port}`
  }

  /** Cuts all connections; new ones are accepted at once. */
  async cut(): Promise<void> {
    const { port } = this.#edge
    await this.#edge.close()
    this.#edge = await this.#open(port)
  }

  close(): Promise<void> {
    return this.#edge.close()
  }
}

function targetsOf(pods: readonly Pod[]): Target[] {
  return pods.filter((pod) => pod.running).map((pod) => ({ host: '127.0.0.1', port: Number(new URL(pod.url).port) }))
}

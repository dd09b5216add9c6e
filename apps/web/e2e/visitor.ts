import type { User } from '@parley/protocol'
import type { BrowserContext, Locator, Page } from 'playwright-core'
import { expect } from 'vitest'

export interface VisitorOptions {
  who: User
  context: BrowserContext
  page: Page
  /** Where the page comes from. */
  address: string
  /** The only origins that the page may ask. */
  origins: readonly string[]
}

/** How long a test waits for what it expects to see, in ms. */
const PATIENCE_MS = 20_000
/** What Chromium logs by itself: that a request finds no network or no server, that a test's profile has no push service. */
const NO_FAULT =
  /net::ERR_(INTERNET_DISCONNECTED|CONNECTION_\w+|NETWORK_CHANGED|EMPTY_RESPONSE|ABORTED)|WebSocket connection to .* failed|status of 50[234]|Push API in incognito mode/

/** One person at a page of the chat, in a browser context of their own. */
export class Visitor {
  readonly who: User
  readonly context: BrowserContext
  readonly page: Page
  readonly address: string
  /** What must never happen: uncaught errors, errors in the console, violations of the policy, requests to strangers. */
  readonly problems: string[] = []

  constructor({ who, context, page, address, origins }: VisitorOptions) {
    this.who = who
    this.context = context
    this.page = page
    this.address = address
    context.setDefaultTimeout(PATIENCE_MS)
    const allowed = new Set(origins.flatMap((origin) => [origin, origin.replace(/^http/, 'ws')]))
    const check = (url: string) => {
      if (/^(blob|data):/.test(url) || allowed.has(new URL(url).origin)) return
      this.problems.push(`asked a stranger: ${url}`)
    }
    // The context's, not the page's: what the service worker asks for counts too.
    context.on('request', (request) => check(request.url()))
    page.on('websocket', (socket) => check(socket.url()))
    context.on('console', (message) => {
      if (message.type() !== 'error' || NO_FAULT.test(message.text())) return
      this.problems.push(`console: ${message.text()}`)
    })
    context.on('weberror', (error) => this.problems.push(`uncaught: ${error.error().stack ?? error.error().message}`))
  }

  /** Signs in as an embedding page does: by a script that hands in a token. */
  async bringToken(token: string): Promise<void> {
    await this.page.addInitScript((handedIn) => {
      Object.assign(globalThis, { parley: { getToken: async () => handedIn } })
    }, token)
  }

  /**
   * Has the page's requests to these addresses answered by the test, from when this resolves. `page.route` alone resolves
   * before: on a busy machine a request that came soon after still went past it, unseen.
   */
  async intercept(...route: Parameters<Page['route']>): Promise<void> {
    await this.page.route(...route)
    const probe = `${this.address}/sw.js?intercepted`
    await this.page.route(probe, (route) => route.fulfill({ status: 204 }))
    const answered = () => this.page.evaluate(async (address) => (await fetch(address)).status, probe)
    await expect.poll(answered).toBe(204)
    await this.page.unroute(probe)
  }

  get list(): Locator {
    return this.page.getByRole('navigation', { name: 'Conversations' })
  }

  /** The conversation's link in the list; its name begins with the title. */
  row(title: string): Locator {
    return this.list.getByRole('link').filter({ hasText: title })
  }

  get log(): Locator {
    return this.page.getByRole('log', { name: 'Messages' })
  }

  /** The bubble whose text contains this. */
  message(text: string): Locator {
    return this.log.getByRole('article').filter({ hasText: text })
  }

  /** The element that has a message's text, with its direction. */
  textOf(text: string): Locator {
    return this.message(text).locator('[dir="auto"]').filter({ hasText: text }).last()
  }

  get composer(): Locator {
    return this.page.getByRole('textbox', { name: 'Message' })
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' })
  }

  dialog(name: string): Locator {
    return this.page.getByRole('dialog', { name })
  }

  /** Chooses files, to go with the next message. */
  attach(files: Parameters<Locator['setInputFiles']>[0]): Promise<void> {
    return this.page.getByLabel('Files to attach').setInputFiles(files)
  }

  /** Opens a conversation from the list and waits for its messages. */
  async open(title: string): Promise<void> {
    await this.row(title).click()
    await this.page.getByRole('heading', { level: 1, name: title }).waitFor()
    await this.composer.waitFor()
  }

  /** Writes and sends by Enter, and waits until the message stands in the log. */
  async say(text: string): Promise<void> {
    await this.composer.fill(text)
    await this.composer.press('Enter')
    await this.message(text).waitFor()
  }
}

/** Resolves when this is to be seen. */
export function seen(locator: Locator, timeout = PATIENCE_MS): Promise<void> {
  return locator.first().waitFor({ state: 'visible', timeout })
}

/** Resolves when this is not to be seen, or no longer. */
export function gone(locator: Locator, timeout = PATIENCE_MS): Promise<void> {
  return locator.first().waitFor({ state: 'hidden', timeout })
}

import type { User } from '@parley/protocol'
import type { BrowserContext, Locator, Page } from 'playwright-core'
import { expect } from 'vitest'

export interface VisitorOptions {
  who: User
  context: BrowserContext
  page: Page
  /** The origin of the page. */
  address: string
  /** The only origins that the page may send requests to. */
  origins: readonly string[]
}

/** How long a test waits for what it expects, in ms. */
const PATIENCE_MS = 20_000
/** Errors that Chromium itself logs when there is no network, server or push service. */
const NO_FAULT =
  /net::ERR_(INTERNET_DISCONNECTED|CONNECTION_\w+|NETWORK_CHANGED|EMPTY_RESPONSE|ABORTED)|WebSocket connection to .* failed|status of 50[234]|Push API in incognito mode/

/** One person using the chat, in their own browser context. */
export class Visitor {
  readonly who: User
  readonly context: BrowserContext
  readonly page: Page
  readonly address: string
  /** What must never happen: uncaught errors, console errors, violations of the policy, requests to other origins. */
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
      this.problems.push(`request to another origin: ${url}`)
    }
    // On the context, not the page, to include the service worker's requests.
    context.on('request', (request) => check(request.url()))
    page.on('websocket', (socket) => check(socket.url()))
    context.on('console', (message) => {
      if (message.type() !== 'error' || NO_FAULT.test(message.text())) return
      this.problems.push(`console: ${message.text()}`)
    })
    context.on('weberror', (error) => this.problems.push(`uncaught: ${error.error().stack ?? error.error().message}`))
  }

  /** Signs in as an embedding page does: with a script that provides a token. */
  async bringToken(token: string): Promise<void> {
    await this.page.addInitScript((handedIn) => {
      Object.assign(globalThis, { parley: { getToken: async () => handedIn } })
    }, token)
  }

  /**
   * Lets the test answer the page's requests to these URLs from when this resolves. `page.route` alone resolves too early: on a
   * busy machine, a request made soon after still bypassed it.
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

  /** Returns the conversation's link in the list, whose name starts with the title. */
  row(title: string): Locator {
    return this.list.getByRole('link').filter({ hasText: title })
  }

  get log(): Locator {
    return this.page.getByRole('log', { name: 'Messages' })
  }

  /** Returns the bubble whose text contains this. */
  message(text: string): Locator {
    return this.log.getByRole('article').filter({ hasText: text })
  }

  /** Returns the element with a message's text and its direction. */
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

  /** Chooses files for the next message. */
  attach(files: Parameters<Locator['setInputFiles']>[0]): Promise<void> {
    return this.page.getByLabel('Files to attach').setInputFiles(files)
  }

  /** Opens a conversation from the list and waits for its messages. */
  async open(title: string): Promise<void> {
    await this.row(title).click()
    await this.page.getByRole('heading', { level: 1, name: title }).waitFor()
    await this.composer.waitFor()
  }

  /** Writes a message, sends it with Enter, and waits until it is shown. */
  async say(text: string): Promise<void> {
    await this.composer.fill(text)
    await this.composer.press('Enter')
    await this.message(text).waitFor()
  }
}

/** Resolves when the element is visible. */
export function seen(locator: Locator, timeout = PATIENCE_MS): Promise<void> {
  return locator.first().waitFor({ state: 'visible', timeout })
}

/** Resolves when the element is hidden or absent. */
export function gone(locator: Locator, timeout = PATIENCE_MS): Promise<void> {
  return locator.first().waitFor({ state: 'hidden', timeout })
}

import { config } from '../app/config.ts'

/** How long the embedding page may take to provide a token, in milliseconds. */
const ANSWER_MS = 15_000

type GetToken = () => string | Promise<string>

/** Returns the source of tokens if the page is part of a product; null if it stands alone. */
export function embeddedTokens(): GetToken | null {
  const given = tokensOnPage(globalThis)
  if (given !== null) return given
  return window.parent === window ? null : () => askParent(window.parent, config.embedders)
}

/** Returns `globalThis.parley.getToken` if a script on the page has set it. */
function tokensOnPage(scope: object): GetToken | null {
  if (!('parley' in scope) || typeof scope.parley !== 'object' || scope.parley === null) return null
  const { parley } = scope
  if (!('getToken' in parley) || typeof parley.getToken !== 'function') return null
  const { getToken } = parley
  return async () => {
    const token: unknown = await getToken.call(parley)
    if (typeof token !== 'string') throw new Error('parley.getToken() did not return a token.')
    return token
  }
}

/** Asks the embedding page for a token. Only listed origins are asked and listened to. */
function askParent(parent: Window, origins: ReadonlySet<string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      removeEventListener('message', onMessage)
    }
    const timer = setTimeout(() => {
      end()
      reject(new Error('The embedding page did not provide a token.'))
    }, ANSWER_MS)
    const onMessage = (event: MessageEvent<unknown>) => {
      const token = event.source === parent && origins.has(event.origin) ? handedToken(event.data) : null
      if (token === null) return
      end()
      resolve(token)
    }
    addEventListener('message', onMessage)
    // The browser delivers only the message whose target origin is the parent's.
    for (const origin of origins) parent.postMessage({ type: 'parley:token-wanted' }, origin)
  })
}

/** Returns the token in a `{type: 'parley:token', token}` message; null for any other message. */
function handedToken(data: unknown): string | null {
  if (typeof data !== 'object' || data === null || !('type' in data) || !('token' in data)) return null
  return data.type === 'parley:token' && typeof data.token === 'string' ? data.token : null
}

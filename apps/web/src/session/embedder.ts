import { config } from '../app/config.ts'

/** How long the embedding page may take to hand in a token, in milliseconds. */
const ANSWER_MS = 15_000

type GetToken = () => string | Promise<string>

/** Where tokens come from when the page is part of a product; null where it stands alone. */
export function embeddedTokens(): GetToken | null {
  const given = tokensOnPage(globalThis)
  if (given !== null) return given
  return window.parent === window ? null : () => askParent(window.parent, config.embedders)
}

/** `globalThis.parley.getToken`, as a script of the page may have set it. */
function tokensOnPage(scope: object): GetToken | null {
  if (!('parley' in scope) || typeof scope.parley !== 'object' || scope.parley === null) return null
  const { parley } = scope
  if (!('getToken' in parley) || typeof parley.getToken !== 'function') return null
  const { getToken } = parley
  return async () => {
    const token: unknown = await getToken.call(parley)
    if (typeof token !== 'string') throw new Error('parley.getToken() gave no token.')
    return token
  }
}

/** Asks the page around this frame. Only pages of the listed origins are asked, and only they are listened to. */
function askParent(parent: Window, origins: ReadonlySet<string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      removeEventListener('message', onMessage)
    }
    const timer = setTimeout(() => {
      end()
      reject(new Error('The page that embeds this one handed in no token.'))
    }, ANSWER_MS)
    const onMessage = (event: MessageEvent<unknown>) => {
      const token = event.source === parent && origins.has(event.origin) ? handedToken(event.data) : null
      if (token === null) return
      end()
      resolve(token)
    }
    addEventListener('message', onMessage)
    // The browser delivers it to that one of these origins which the parent has, if any.
    for (const origin of origins) parent.postMessage({ type: 'parley:token-wanted' }, origin)
  })
}

/** The token in a `{type: 'parley:token', token}`. */
function handedToken(data: unknown): string | null {
  if (typeof data !== 'object' || data === null || !('type' in data) || !('token' in data)) return null
  return data.type === 'parley:token' && typeof data.token === 'string' ? data.token : null
}

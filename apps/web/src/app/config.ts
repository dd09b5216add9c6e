/** The page's configuration in index.html. */
export interface PageConfig {
  /** The cluster's URL. */
  server: string
  /** Origins whose pages may embed this one and provide a token. */
  embedders: ReadonlySet<string>
}

/** Reads the page's `<meta name="parley-…">` tags. @param origin the page's own */
function readConfig(meta: (name: string) => string | null, origin: string): PageConfig {
  const server = meta('parley-server')?.trim() || origin
  const listed = (meta('parley-embedders') ?? '').split(/\s+/).flatMap((entry) => {
    const url = URL.parse(entry)
    return url === null ? [] : [url.origin]
  })
  return { server, embedders: new Set([origin, ...listed]) }
}

export const config = readConfig(
  (name) => document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? null,
  location.origin,
)

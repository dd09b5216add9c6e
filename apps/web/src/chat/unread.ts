import { countOf } from '../text/sizes.ts'

const NAME = 'Parley'

/** The tab's title. */
export function titleFor(unread: number, name = NAME): string {
  if (unread === 0) return name
  return `(${countOf(unread)}) ${name}`
}

/** The tab's icon with a dot on it while something is unread, as a data: address. @param svg the icon's own source */
export function iconFor(svg: string, unread: number): string {
  const dot = '<circle cx="50" cy="14" r="13" fill="#e5484d" stroke="#fff" stroke-width="4"/>'
  const marked = unread === 0 ? svg : svg.replace('</svg>', `${dot}</svg>`)
  return `data:image/svg+xml,${encodeURIComponent(marked)}`
}

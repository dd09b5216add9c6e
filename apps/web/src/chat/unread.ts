import { countOf } from '../text/sizes.ts'

const NAME = 'Parley'

/** Returns the tab's title. */
export function titleFor(unread: number, name = NAME): string {
  if (unread === 0) return name
  return `(${countOf(unread)}) ${name}`
}

/** Returns the tab's icon as a data: URL, with a dot if something is unread. @param svg the icon's source */
export function iconFor(svg: string, unread: number): string {
  const dot = '<circle cx="50" cy="14" r="13" fill="#e5484d" stroke="#fff" stroke-width="4"/>'
  const marked = unread === 0 ? svg : svg.replace('</svg>', `${dot}</svg>`)
  return `data:image/svg+xml,${encodeURIComponent(marked)}`
}

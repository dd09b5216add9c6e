import { glob, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { ROOT } from '../src/files.ts'

/* What a page points to exists: the files and headings that its links name, and what a runbook quotes. */

const FENCED = /^ *```[\s\S]*?^ *```/gm

/** The headings of each page as GitHub makes anchors of them, by its path below the root. */
const anchors = new Map<string, Set<string>>()
const texts = new Map<string, string>()

beforeAll(async () => {
  for await (const path of glob('{*.md,docs/*.md,{apps,packages,infra}/*/*.md}', { cwd: ROOT })) {
    const text = (await readFile(join(ROOT, path), 'utf8')).replace(FENCED, '')
    texts.set(path, text)
    anchors.set(path, new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))))
  }
})

function anchorOf(heading: string): string {
  const kept = heading.toLowerCase().replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
  return kept.replaceAll(' ', '-')
}

it('every link between pages leads somewhere', () => {
  const broken: string[] = []
  for (const [path, text] of texts) {
    for (const [link, file = '', anchor] of text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      if (!file.endsWith('.md') && file !== '') continue
      const target = file === '' ? path : normalize(join(dirname(path), file))
      const headings = anchors.get(target)
      if (headings === undefined || (anchor !== undefined && !headings.has(anchor))) broken.push(`${path}: ${link}`)
    }
  }
  expect(broken).toEqual([])
  expect(texts.size).toBeGreaterThan(10)
})

it('every log line and panel that a runbook quotes is one of ours', async () => {
  const runbooks = /^## Metrics and alerts$([\s\S]*?)^## /m.exec(texts.get('docs/OPERATIONS.md') ?? '')?.[1] ?? ''
  const quotes = [...runbooks.replace(/`[^`]*`/g, '').matchAll(/"([^"]+)"/g)].map(([, quote = '']) => quote)
  expect(quotes).not.toEqual([])
  let sources = ''
  for await (const path of glob('{apps/*,packages/*,infra/grafana}/src/**/*.ts', { cwd: ROOT })) {
    sources += await readFile(join(ROOT, path), 'utf8')
  }
  // A quote may go on in the next line.
  expect(quotes.filter((quote) => !sources.includes(quote.replace(/\s+/g, ' ')))).toEqual([])
})

import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Parser } from '@asyncapi/parser'
import {
  asyncApiDocument,
  ERROR_ADVICE,
  errorsPage,
  type OpenApiDocument,
  openApiDocument,
  operations,
} from '@parley/docs'
import { clientEvents, ERRORS, serverEvents } from '@parley/protocol'
import { compileErrors, validate } from '@readme/openapi-parser'
import { beforeAll, describe, expect, it } from 'vitest'
import { configPage, PROCESSES, SERVERS } from '../src/config-page.ts'
import { generatedFiles, ROOT } from '../src/files.ts'

/* The documents are valid, complete, contain nothing else, and are up to date. */

const sorted = (names: Iterable<string>) => [...names].sort()

describe('the files in docs/', () => {
  let files: Map<string, string>
  beforeAll(async () => {
    files = await generatedFiles()
  })

  it.each(['docs/openapi.json', 'docs/asyncapi.json', 'docs/ERRORS.md', 'docs/CONFIG.md'])(
    '%s is up to date (if not: npm run docs)',
    async (path) => {
      const stored = await readFile(join(ROOT, path), 'utf8')
      expect(stored === files.get(path), `${path} is not what npm run docs makes of the sources`).toBe(true)
    },
  )
})

describe('the OpenAPI document', () => {
  it('is valid', async () => {
    const copy = structuredClone(openApiDocument()) as unknown as Parameters<typeof validate>[0]
    const result = await validate(copy)
    expect(result.valid ? '' : compileErrors(result)).toBe('')
  })

  it('is found invalid when a path parameter is not declared', async () => {
    const broken: OpenApiDocument = structuredClone(openApiDocument())
    const path = '/api/messages/conversations/{conversationId}'
    const operation = broken.paths[path]?.get
    if (operation === undefined) throw new Error(`${path} is not in the document`)
    operation.parameters = []
    const result = await validate(broken as unknown as Parameters<typeof validate>[0])
    expect(result.valid).toBe(false)
  })

  it('has every operation once, each with its answers, errors and authentication', () => {
    const ids = operations.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const { paths } = openApiDocument()
    for (const { method, path, id } of operations) {
      const described = paths[path]?.[method]
      expect(described, `${method} ${path}`).toMatchObject({ operationId: id, security: expect.any(Array) })
      const statuses = Object.keys(described?.responses ?? {}).map(Number)
      expect(statuses.filter((status) => status < 400)).not.toEqual([])
      expect(statuses).toEqual(expect.arrayContaining([400, 500, 503]))
    }
  })

  it('declares every parameter of a path', () => {
    for (const { path, params } of operations) expect(path.includes('{'), path).toBe(params !== undefined)
  })
})

describe('the AsyncAPI document', () => {
  it('is valid', async () => {
    const { diagnostics } = await new Parser().parse(JSON.stringify(asyncApiDocument()))
    // Severity 0 is an error, 1 a warning; the rest are hints.
    expect(diagnostics.filter(({ severity }) => severity <= 1).map(({ message, path }) => ({ message, path }))).toEqual(
      [],
    )
  })

  it('is found invalid when an operation refers to an unknown message', async () => {
    const broken = structuredClone(asyncApiDocument())
    const operation = broken.operations.sendMessage
    if (operation === undefined) throw new Error('sendMessage is not in the document')
    operation.messages = [{ $ref: '#/channels/socket/messages/nothing' }]
    const { diagnostics } = await new Parser().parse(JSON.stringify(broken))
    expect(diagnostics.filter(({ severity }) => severity === 0)).not.toEqual([])
  })

  it('has every event in both directions, and no other', () => {
    const described = asyncApiDocument().operations
    const named = (action: string) => Object.keys(described).filter((name) => described[name]?.action === action)
    expect(sorted(named('receive'))).toEqual(sorted(Object.keys(clientEvents)))
    expect(sorted(named('send'))).toEqual(sorted(Object.keys(serverEvents)))
    for (const name of named('receive')) expect(described[name]?.reply, name).toBeDefined()
  })
})

describe('ERRORS.md', () => {
  it('has a row for each code of the registry, with its status, and no other', () => {
    const rows = [...errorsPage().matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \| .+ \| .+ \| (yes|no) \|$/gm)]
    const found = rows.map(([, code, status, retry]) => [code, Number(status), retry])
    const registered = Object.entries(ERRORS).map(([code, { status, retry }]) => [code, status, retry ? 'yes' : 'no'])
    expect(found).toEqual(registered)
    expect(sorted(Object.keys(ERROR_ADVICE))).toEqual(sorted(Object.keys(ERRORS)))
  })

  it('lists a request or an event that causes each code', () => {
    const text = JSON.stringify([openApiDocument(), asyncApiDocument()])
    // Caused only by unknown events, so by no documented one.
    const codes = Object.keys(ERRORS).filter((code) => code !== 'UNKNOWN_EVENT')
    for (const code of codes) expect(text, code).toContain(`\`${code}\``)
  })
})

describe('CONFIG.md', () => {
  it('has a row for each setting of each process, and no other', () => {
    const rows = [...configPage().matchAll(/^\| `([A-Z0-9_]+)` \|.*\| ([a-z, ]+) \|$/gm)]
    const declared = new Set(Object.values(PROCESSES).flatMap((definition) => Object.keys(definition)))
    expect(sorted(rows.map(([, name]) => name ?? ''))).toEqual(sorted(declared))
    for (const [, name = '', readers = ''] of rows) {
      const expected = Object.keys(PROCESSES).filter((process) => Object.hasOwn(PROCESSES[process] ?? {}, name))
      const said = readers.split(', ').flatMap((reader) => (reader === 'all' ? SERVERS : [reader]))
      expect(said, name).toEqual(expected)
    }
  })

  it('marks secrets', () => {
    const page = configPage()
    for (const name of ['JWT_SECRET', 'S3_SECRET_ACCESS_KEY', 'VAPID_PRIVATE_KEY', 'DATABASE_URL', 'REDIS_URL']) {
      expect(page).toMatch(new RegExp(`^\\| \`${name}\` \\|.*\\*\\*A secret\\.\\*\\*`, 'm'))
    }
  })
})

describe('the import rules of ARCHITECTURE.md', () => {
  /** The workspace packages that each package depends on: pnpm lets it import no others. Tests may use more. */
  const imports = new Map<string, string[]>()
  const apps: string[] = []
  beforeAll(async () => {
    for await (const path of glob('{apps,packages}/*/package.json', { cwd: ROOT })) {
      const { name, dependencies = {} } = JSON.parse(await readFile(join(ROOT, path), 'utf8'))
      imports.set(name, Object.keys(dependencies))
      if (path.startsWith('apps/')) apps.push(name)
    }
  })

  it('hold: nobody imports an app, protocol imports none of our packages, and the SDK only socket.io-client', () => {
    expect(sorted(apps)).toEqual(['@parley/api', '@parley/gateway', '@parley/web', '@parley/worker'])
    for (const [name, names] of imports) expect([name, names.filter((one) => apps.includes(one))]).toEqual([name, []])
    expect(imports.get('@parley/protocol')).toEqual(['zod'])
    expect(imports.get('@parley/client')).toEqual(['socket.io-client'])
  })

  it('hold: no cycles', () => {
    const left = new Map(imports)
    const free = () => [...left].find(([, names]) => !names.some((name) => left.has(name)))?.[0]
    for (let name = free(); name !== undefined; name = free()) left.delete(name)
    expect([...left.keys()]).toEqual([])
  })
})

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const PACKAGE = resolve(import.meta.dirname, '..')
const bin = (name: string) => join(PACKAGE, 'node_modules/.bin', name)
const dist = join(PACKAGE, 'dist')
/** Time limit for a compiler, even on a busy machine. Milliseconds. */
const COMPILED_MS = 180_000
/** A project with nothing installed but the client and its dependencies. */
let project: string

beforeAll(() => {
  const env = { ...process.env, PATH: `${join(PACKAGE, '../../node_modules/.bin')}:${process.env.PATH}` }
  execFileSync(process.execPath, ['build-types.ts'], { cwd: PACKAGE, env })
  execFileSync(bin('tsdown'), [], { cwd: PACKAGE, env, stdio: 'pipe' })
  project = mkdtempSync(join(tmpdir(), 'parley-client-user-'))
  const modules = join(project, 'node_modules')
  const installed = join(modules, '@parley/client')
  mkdirSync(installed, { recursive: true })
  for (const file of readdirSync(dist))
    if (!file.startsWith('.')) cpSync(join(dist, file), join(installed, 'dist', file))
  const { publishConfig, ...manifest } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))
  writeFileSync(join(installed, 'package.json'), JSON.stringify({ ...manifest, ...publishConfig }))
  symlinkSync(realpathSync(join(PACKAGE, 'node_modules/socket.io-client')), join(modules, 'socket.io-client'))
}, COMPILED_MS)
afterAll(() => rmSync(project, { recursive: true, force: true }))

describe('the built package', () => {
  it('imports and bundles nothing that it does not declare', () => {
    const imports = ['index.js', 'node.js'].flatMap((file) =>
      Array.from(readFileSync(join(dist, file), 'utf8').matchAll(/^import .* from "(\w[^"]*)"/gm), (match) => match[1]),
    )
    expect([...new Set(imports)].sort()).toEqual(['node:fs/promises', 'node:path', 'socket.io-client'])
    const code = readFileSync(join(dist, 'index.js'), 'utf8')
    expect(code).not.toMatch(/zod|safeParse|node:/)
  })

  it('runs where nothing else is installed', () => {
    const script = `
      import { ParleyClient, memoryStorage } from '@parley/client'
      import { fileStorage } from '@parley/client/node'
      const client = new ParleyClient({ url: 'http://127.0.0.1:9', getToken: () => 'x', storage: memoryStorage() })
      console.log(client.state.getSnapshot(), typeof fileStorage)
      client.close()`
    writeFileSync(join(project, 'run.mjs'), script)
    expect(execFileSync(process.execPath, ['run.mjs'], { cwd: project, encoding: 'utf8' })).toBe('offline function\n')
  })

  it('has self-contained types that are as strict as the sources, also for the examples of the README', {
    timeout: COMPILED_MS,
  }, () => {
    const code = `
      import { type Message, ParleyClient, ParleyClientError, type Store } from '@parley/client'
      const client = new ParleyClient({ url: '', getToken: async () => '' })
      const seq: Promise<number> = client.send('c', 'text').then((message: Message) => message.seq)
      const names: Store<readonly { name: string | null }[]> = client.conversations
      client.on('message', ({ sender, attachments }) => [sender.fullName, attachments[0]?.fileSize.toFixed()])
      // @ts-expect-error there is no such field
      client.on('message', (message) => message.seqq)
      // @ts-expect-error there is no such code
      const known = (error: ParleyClientError) => error.code === 'NO_SUCH_CODE'
      export { seq, names, known }`
    writeFileSync(join(project, 'user.ts'), code)
    const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8')
    const examples = Array.from(readme.matchAll(/^```ts\n(.*?)^```/gms), (match) => match[1])
    writeFileSync(join(project, 'readme.ts'), examples.join('\n'))
    const compilerOptions = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023', 'dom'],
      types: [],
    }
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['user.ts', 'readme.ts'] }))
    writeFileSync(join(project, 'package.json'), '{"type":"module"}')
    expect(compile(project)).toBe('')
  })

  it('has types that compile without the DOM, pass their own check and accept undefined for optional fields', {
    timeout: COMPILED_MS,
  }, () => {
    const code = `
      import { indexedDbStorage, type OutboxStorage, ParleyClient, webStorage } from '@parley/client'
      import { fileStorage } from '@parley/client/node'
      interface Setting {
        storage: OutboxStorage | undefined
        fetch: typeof fetch | undefined
        windowSize: number | undefined
        id: string | undefined
        type: 'IMAGE' | undefined
        signal: AbortSignal | undefined
        date: Date | undefined
      }
      export function start({ storage, fetch, windowSize, id, type, signal, date }: Setting, file: File) {
        const socketOptions: Record<string, unknown> | undefined = undefined
        const bounds = { windowSize, keptTimelines: windowSize, catchUpLimit: windowSize }
        const client = new ParleyClient({ url: '', getToken: () => '', storage, fetch, socketOptions, ...bounds })
        client.send('c', 'text', { type, attachmentIds: id === undefined ? undefined : [id], clientMessageId: id })
        client.sendFile('c', file, { content: id, type, clientMessageId: id, signal, onProgress: undefined })
        client.upload('c', file, { signal, onProgress: undefined })
        client.createConversation({ type: 'GROUP', participantIds: [], name: id, clientConversationId: id })
        const period = { from: date, to: date }
        client.search('text', { conversationId: id, senderId: id, page: windowSize, limit: windowSize, sort: undefined, ...period })
        client.searchUsers('a', { page: windowSize, limit: windowSize })
        return [fileStorage('.'), indexedDbStorage(), webStorage]
      }`
    const folder = join(project, 'server')
    mkdirSync(join(folder, 'node_modules/@types'), { recursive: true })
    const installed = realpathSync(join(PACKAGE, '../../node_modules/@types/node'))
    symlinkSync(installed, join(folder, 'node_modules/@types/node'))
    symlinkSync(join(installed, '../../undici-types'), join(folder, 'node_modules/undici-types'))
    writeFileSync(join(folder, 'server.ts'), code)
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    const compilerOptions = {
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023'],
      types: ['node'],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['server.ts'] }))
    expect(compile(folder)).toBe('')
  })

  it('has the types of the protocol, without zod, with comments on their fields', {
    timeout: COMPILED_MS,
  }, () => {
    const declarations = readFileSync(join(dist, 'index.d.ts'), 'utf8')
    expect(declarations).not.toMatch(/zod/i)
    expect(declarations).toMatch(/\/\*\* Ids of the members who have read it, the sender's first. \*\/\s+readBy: /)
    expect(declarations).toMatch(/\/\*\* A member of a conversation\..* \*\/\s+interface Participant /)
    const folder = mkdtempSync(join(import.meta.dirname, '.types-'))
    try {
      const names = [
        'Attachment',
        'Conversation',
        'Highlight',
        'Message',
        'MessageType',
        'SearchHit',
        'SystemEvent',
        'User',
      ]
      const code = `
        import type * as Sent from '@parley/protocol'
        import type * as Shown from '../../dist/index.js'
        type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
        type Flat<T> = T extends object ? { [K in keyof T]: Flat<T[K]> } : T
        ${names.map((name) => `const a${name}: Same<Flat<Sent.${name}>, Flat<Shown.${name}>> = true`).join('\n')}
        export { ${names.map((name) => `a${name}`).join(', ')} }`
      writeFileSync(join(folder, 'same.ts'), code)
      writeFileSync(
        join(folder, 'tsconfig.json'),
        JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }),
      )
      expect(compile(folder)).toBe('')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

/** Type-checks the project in a folder. @returns the output of the compiler; empty if there are no errors */
function compile(folder: string): string {
  const typescript = createRequire(join(PACKAGE, '../../package.json')).resolve('typescript/package.json')
  const options = { cwd: folder, encoding: 'utf8', stdio: 'pipe' } as const
  try {
    return execFileSync(process.execPath, [join(typescript, '../bin/tsc'), '-p', '.'], options)
  } catch (error) {
    return String((error as { stdout?: string }).stdout)
  }
}

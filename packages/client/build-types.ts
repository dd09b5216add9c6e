import { execFileSync } from 'node:child_process'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import * as protocol from '@parley/protocol'
import { PlainTypes } from './plain-types.ts'

/*
 * Writes the declarations of the client and of the protocol into dist/.types, for tsdown to bundle. tsdown cannot generate
 * them itself: it needs the compiler API of TypeScript 5.
 */
const TYPES = resolve(import.meta.dirname, 'dist/.types')
/** Protocol modules whose types the client exposes, each with its types that are for requests only. */
const SHOWN = [
  { name: 'models', except: [] },
  { name: 'search', except: ['SearchMessages'] },
]

rmSync(join(import.meta.dirname, 'dist'), { recursive: true, force: true })
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { cwd: import.meta.dirname, stdio: 'inherit' })
for (const file of globSync('**/*.d.ts', { cwd: TYPES })) {
  const path = join(TYPES, file)
  const declarations = readFileSync(path, 'utf8')
    .replaceAll(/(['"])(\.[^'"]*)\.ts\1/g, '$1$2.js$1')
    .replaceAll(/(['"])@parley\/protocol(?:\/(\w+))?\1/g, (_, quote, part = 'index') => {
      const target = relative(dirname(path), join(TYPES, `protocol/src/${part}.js`))
      return `${quote}${target}${quote}`
    })
  writeFileSync(path, declarations)
}

const sourceOf = (name: string) => join(import.meta.dirname, `../protocol/src/${name}.ts`)
const modules = SHOWN.map(({ name, except }) => ({
  name,
  source: readFileSync(sourceOf(name), 'utf8'),
  exports: protocol,
  except,
}))
const plain = new PlainTypes(modules)
for (const module of modules) {
  const path = join(TYPES, `protocol/src/${module.name}.d.ts`)
  writeFileSync(path, plain.declare(readFileSync(path, 'utf8'), module, './models.js'))
}

import { execFileSync } from 'node:child_process'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/*
 * Writes declarations of the client and of the protocol into dist/.types, for tsdown to bundle. It cannot make them
 * itself: it knows the compiler of TypeScript 5, which has another interface.
 */
const TYPES = resolve(import.meta.dirname, 'dist/.types')

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

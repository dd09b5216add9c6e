import { readFileSync } from 'node:fs'

/** Parley's version, from the package manifest. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

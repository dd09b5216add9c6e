import { readFileSync } from 'node:fs'

/** Parley's version, as its packages bear it. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

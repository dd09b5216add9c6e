/** See chromium.mjs. */
export function findChromium(env?: Record<string, string | undefined>): string | undefined
export function ensureChromium(log: (line: string) => void): Promise<{ path: string } | { missing: string }>

import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { initialSize } from './initial-size.ts'
import { precompress } from './precompress.ts'

/** What a first visit loads at most, gzipped: the entry and everything that it imports statically. */
const INITIAL_BYTES = 120 * 1024

/** The oldest that have all that is used; `URL.parse` came last. */
const BROWSERS = ['chrome126', 'firefox128', 'safari18']

/** Behind `npm run web:dev`. */
const CLUSTER = process.env.PARLEY ?? 'http://localhost:4000'

export default defineConfig({
  // Relative addresses: dist/ works at any path.
  base: './',
  plugins: [react(), initialSize(INITIAL_BYTES), precompress()],
  build: {
    target: BROWSERS,
    cssTarget: BROWSERS,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/api': CLUSTER, '/socket.io': { target: CLUSTER, ws: true } },
  },
})

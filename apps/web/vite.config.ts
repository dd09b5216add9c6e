import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { initialSize } from './initial-size.ts'
import { precompress } from './precompress.ts'

/** Size limit of the initial JavaScript, gzipped: the entry and all of its static imports. */
const INITIAL_BYTES = 120 * 1024

/** The oldest supported browsers; the newest required feature is `URL.parse`. */
const BROWSERS = ['chrome126', 'firefox128', 'safari18']

/** The cluster that `npm run web:dev` proxies to. */
const CLUSTER = process.env.PARLEY ?? 'http://localhost:4000'

export default defineConfig({
  // Relative URLs, so that dist/ works at any path.
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

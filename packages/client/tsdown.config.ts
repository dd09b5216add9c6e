import { defineConfig, type UserConfig } from 'tsdown'

const external = ['socket.io-client', /^node:/]

/** One file for each entry: what they share is structural. */
const declarations = (entry: string): UserConfig => ({
  entry: { [entry]: `dist/.types/client/src/${entry}.d.ts` },
  format: 'esm',
  clean: false,
  external,
  inlineOnly: false,
  dts: { dtsInput: true, emitDtsOnly: true },
})

export default defineConfig([
  {
    entry: { index: 'src/index.ts', node: 'src/node.ts' },
    format: 'esm',
    platform: 'neutral',
    target: 'es2023',
    sourcemap: true,
    dts: false,
    clean: false,
    external,
    // Codes and limits of the protocol: a page of constants. Its schemas, and zod with them, stay out.
    noExternal: [/^@parley\/protocol/],
  },
  declarations('index'),
  declarations('node'),
])

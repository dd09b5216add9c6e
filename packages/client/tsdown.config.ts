import { defineConfig, type UserConfig } from 'tsdown'

const external = ['socket.io-client', /^node:/]

/** One declaration file per entry. Types that both contain are structural, so the copies are compatible. */
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
    // Bundles the protocol's codes and limits, a page of constants. Its schemas, and zod with them, are not imported.
    noExternal: [/^@parley\/protocol/],
  },
  declarations('index'),
  declarations('node'),
])

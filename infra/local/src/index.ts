export { type Edge, type EdgeOptions, startEdge, type Target } from './edge.ts'
export {
  type AppEntry,
  type AppExit,
  type AppProcess,
  AppStartError,
  type SpawnAppOptions,
  spawnApp,
} from './processes.ts'
export { generateVapidPair } from './vapid.ts'
export { ensureWebClient, type WebClientBuild } from './web-client.ts'

export { LEASE_OUTLASTS_MS, Presence, type PresenceOptions } from './presence.ts'
export { createPresenceReader, type PresenceReader, type PresenceReaderOptions } from './reader.ts'
export { Reaper, type ReaperOptions } from './reaper.ts'
export { defaultTiming, type PresenceTiming } from './states.ts'

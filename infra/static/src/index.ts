export { type StorageAddress, storageOrigin, webClientHeaders } from './security-headers.ts'
export { serveWebFiles, type WebFilesOptions } from './web-files.ts'

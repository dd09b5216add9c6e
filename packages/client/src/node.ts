/** Exports for Node only. */
export { fileStorage } from './storage/file.ts'

/** What is for Node only. */
export { fileStorage } from './storage/file.ts'

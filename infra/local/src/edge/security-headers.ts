/** The same headers whether `npm start` serves the web client or the image `web` does. */
export { type StorageAddress, storageOrigin, webClientHeaders } from '../../../static/src/security-headers.ts'

import { type WebFilesOptions as StaticOptions, serveWebFiles as serve } from '../../../static/src/web-files.ts'
import { answerError } from './answers.ts'

export type WebFilesOptions = Omit<StaticOptions, 'refuse'>

/** The web client's files, served as the image `web` serves them. */
export function serveWebFiles(options: WebFilesOptions): ReturnType<typeof serve> {
  return serve({ ...options, refuse: answerError })
}

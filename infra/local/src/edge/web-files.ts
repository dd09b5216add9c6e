import { type WebFilesOptions as StaticOptions, serveWebFiles as serve } from '../../../static/src/web-files.ts'
import { answerError } from './answers.ts'

export type WebFilesOptions = Omit<StaticOptions, 'refuse'>

/** Serves the web client's files just like the image `web`. */
export function serveWebFiles(options: WebFilesOptions): ReturnType<typeof serve> {
  return serve({ ...options, refuse: answerError })
}

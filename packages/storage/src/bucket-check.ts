import { credentialsOf, locationOf, type StorageSettings } from './options.ts'
import { OWN_USE_SECONDS, Presigner } from './presign.ts'

/** How long a result is reused: each check is a request that the store may charge for. Milliseconds. */
const REUSE_MS = 5_000
/** A key that no attachment has. */
const UNUSED_KEY = 'parley-health-check'

/**
 * Returns a check whether the bucket can be read: true, or a short description of the problem. It requests an object that does
 * not exist, which needs no permission beyond that to read attachments.
 */
export function bucketCheck(settings: StorageSettings): (signal: AbortSignal) => Promise<boolean | string> {
  const presigner = new Presigner(locationOf(settings), credentialsOf(settings))
  let last: { at: number; state: boolean | string } | undefined
  return async (signal) => {
    if (last !== undefined && performance.now() - last.at < REUSE_MS) return last.state
    const url = presigner.presign({ method: 'GET', key: UNUSED_KEY, at: Date.now(), expiresIn: OWN_USE_SECONDS })
    const state = await fetch(url, { signal }).then(stateOf, () => 'away')
    // A store that did not answer may be back the next moment.
    last = state === 'away' ? undefined : { at: performance.now(), state }
    return state
  }
}

async function stateOf(answer: Response): Promise<boolean | string> {
  const body = await answer.text()
  if (answer.ok || /<Code>NoSuchKey</.test(body)) return true
  if (/<Code>NoSuchBucket</.test(body)) return 'there is no such bucket'
  // A signed URL that has expired, or is not yet valid, gets the same code as a missing permission.
  if (/<Code>RequestTimeTooSkewed<|<Message>Request (has expired|is not valid yet)/.test(body)) {
    return 'has a different time than this machine'
  }
  // Without permission to list, S3 answers 403 for a missing object; a wrong key gets a code of its own.
  if (/<Code>AccessDenied</.test(body) || answer.status === 404) return true
  return answer.status < 500 ? 'refuses our key' : 'does not work'
}

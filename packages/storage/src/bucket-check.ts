import { credentialsOf, locationOf, type StorageSettings } from './options.ts'
import { OWN_USE_SECONDS, Presigner } from './presign.ts'

/** An answer is good for so long: each check is a request that the store may charge for. Milliseconds. */
const KEPT_MS = 5_000
/** A key that no file has. */
const NOBODY = 'parley-health-check'

/**
 * Says whether the bucket can be read: true, or in a few words what is wrong. Asks for an object that does not exist, which
 * needs no permission that reading attachments does not need.
 */
export function bucketCheck(settings: StorageSettings): (signal: AbortSignal) => Promise<boolean | string> {
  const presigner = new Presigner(locationOf(settings), credentialsOf(settings))
  let last: { at: number; state: boolean | string } | undefined
  return async (signal) => {
    if (last !== undefined && performance.now() - last.at < KEPT_MS) return last.state
    const url = presigner.presign({ method: 'GET', key: NOBODY, at: Date.now(), expiresIn: OWN_USE_SECONDS })
    const state = await fetch(url, { signal }).then(stateOf, () => 'away')
    // One that was asked in vain may be back in the next moment.
    last = state === 'away' ? undefined : { at: performance.now(), state }
    return state
  }
}

async function stateOf(answer: Response): Promise<boolean | string> {
  const body = await answer.text()
  if (answer.ok || /<Code>NoSuchKey</.test(body)) return true
  if (/<Code>NoSuchBucket</.test(body)) return 'there is no such bucket'
  // An address that is over already, or not good yet, is refused with the code of a missing right.
  if (/<Code>RequestTimeTooSkewed<|<Message>Request (has expired|is not valid yet)/.test(body)) {
    return 'has another time than this machine'
  }
  // Without the right to list, S3 says 403 of an object that does not exist; with a wrong key it says so in the code.
  if (/<Code>AccessDenied</.test(body) || answer.status === 404) return true
  return answer.status < 500 ? 'refuses our key' : 'does not work'
}

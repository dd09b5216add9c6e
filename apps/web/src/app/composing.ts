import type { KeyboardEvent } from 'react'

/**
 * Whether a key belongs to an input method that is composing: Enter chooses a word there. Safari ends a composition before
 * it tells of the key that ended it; the key's code is 229 there as well (WebKit 165004).
 */
export function isComposing({ nativeEvent, keyCode }: KeyboardEvent): boolean {
  return nativeEvent.isComposing || keyCode === 229
}

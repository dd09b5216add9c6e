import type { KeyboardEvent } from 'react'

/**
 * Returns whether a key event belongs to an input method that is composing, where Enter chooses a word. Safari ends the
 * composition before the keydown of the key that ended it; the key code is still 229 then (WebKit bug 165004).
 */
export function isComposing({ nativeEvent, keyCode }: KeyboardEvent): boolean {
  return nativeEvent.isComposing || keyCode === 229
}

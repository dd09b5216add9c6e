/** Returns whether there is a mouse, and so probably a real keyboard: an on-screen one would cover half of the page. */
export function hasKeyboard(): boolean {
  return matchMedia('(pointer: fine)').matches
}

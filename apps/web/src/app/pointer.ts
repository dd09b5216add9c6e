/** Whether there is a mouse or the like, and with it a real keyboard: one on a screen would cover half of the page. */
export function hasKeyboard(): boolean {
  return matchMedia('(pointer: fine)').matches
}

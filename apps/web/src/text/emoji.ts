/** One to three emoji and nothing else. */
const EMOJI_ONLY = /^\s*(?:\p{RGI_Emoji}\s*){1,3}$/v

/** Returns whether a message consists of one to three emoji, which are shown large. */
export function isEmojiOnly(text: string): boolean {
  // Three of the longest emoji fit in this many code units; do not scan longer texts.
  return text.length <= 64 && EMOJI_ONLY.test(text)
}

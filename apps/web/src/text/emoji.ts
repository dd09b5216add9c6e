/** More than three in a row are text again. */
const EMOJI_ONLY = /^\s*(?:\p{RGI_Emoji}\s*){1,3}$/v

/** Whether a message is nothing but an emoji or a few: those are drawn large. */
export function isEmojiOnly(text: string): boolean {
  // As many code units as three of the longest may have; a long text is not looked through.
  return text.length <= 64 && EMOJI_ONLY.test(text)
}

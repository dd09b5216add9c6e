import { keep } from './kept.ts'

export type Theme = 'light' | 'dark' | 'system'

/** Also in public/theme.js, which runs before the first paint. */
const KEY = 'parley-theme'

/** What was chosen: `system` where nothing was. */
export function currentTheme(): Theme {
  const { theme } = document.documentElement.dataset
  return theme === 'light' || theme === 'dark' ? theme : 'system'
}

/** Shows it at once, and in this browser from now on. */
export function setTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  keep('localStorage', KEY, theme === 'system' ? null : theme)
}

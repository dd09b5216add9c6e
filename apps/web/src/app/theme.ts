import { keep } from './kept.ts'

export type Theme = 'light' | 'dark' | 'system'

/** Also in public/theme.js, which runs before the first paint. */
const KEY = 'parley-theme'

/** Returns the chosen theme; `system` by default. */
export function currentTheme(): Theme {
  const { theme } = document.documentElement.dataset
  return theme === 'light' || theme === 'dark' ? theme : 'system'
}

/** Applies a theme and remembers it in this browser. */
export function setTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  keep('localStorage', KEY, theme === 'system' ? null : theme)
}

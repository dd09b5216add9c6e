// Applies the chosen theme before the first paint, to avoid a flash. A separate file, because inline scripts are not allowed.
try {
  const theme = localStorage.getItem('parley-theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Storage is not available: keep the system's theme.
}

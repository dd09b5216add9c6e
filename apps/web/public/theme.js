// Before the first paint, so that a chosen theme does not flash in the other one. A file: inline scripts are not allowed.
try {
  const theme = localStorage.getItem('parley-theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Storage is forbidden: the system's theme it is.
}

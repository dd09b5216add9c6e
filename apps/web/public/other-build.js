// During an upgrade, the page may come from a server with one build and its files from a server with another, which does not have
// them, and the page would stay empty. So it is reloaded until both come from the same build, for up to a minute or so.
const TRIES = 30
const PAUSE_MS = 2_000

let lacking = false
addEventListener(
  'error',
  ({ target }) => {
    if (target instanceof HTMLScriptElement || target instanceof HTMLLinkElement) lacking = true
  },
  // These events do not bubble.
  true,
)
// 'load' waits for the initial files only, so a file that fails later does not reload a running page.
addEventListener('load', () => {
  const tries = history.state?.tries ?? 0
  if (lacking && tries < TRIES) {
    history.replaceState({ tries: tries + 1 }, '')
    setTimeout(() => location.reload(), PAUSE_MS)
  } else if (tries > 0) history.replaceState(null, '')
})

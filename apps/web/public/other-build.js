// While servers change to another build the page may come from one of them and its files from another, which has none of these
// names: an empty page. It is loaded again then until both come from one, for a minute or so.
const TRIES = 30
const PAUSE_MS = 2_000

let lacking = false
addEventListener(
  'error',
  ({ target }) => {
    if (target instanceof HTMLScriptElement || target instanceof HTMLLinkElement) lacking = true
  },
  // Such an event does not bubble.
  true,
)
// It waits for all of these files. What is loaded later takes no running page away.
addEventListener('load', () => {
  const tries = history.state?.tries ?? 0
  if (lacking && tries < TRIES) {
    history.replaceState({ tries: tries + 1 }, '')
    setTimeout(() => location.reload(), PAUSE_MS)
  } else if (tries > 0) history.replaceState(null, '')
})

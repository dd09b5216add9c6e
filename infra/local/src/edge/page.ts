import type { Target } from './balance.ts'

/** Renders the page at `/status`: what is running, and where clients connect. */
export function statusPage(apiPods: number, gateways: readonly Target[]): string {
  const list = gateways.map(({ host, port }) => `<li>gateway on ${host}:${port}</li>`).join('')
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Parley</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}code{background:#8882;padding:.1em .3em}</style>
<h1>Parley</h1>
<p>A messaging cluster is running here: ${apiPods} api and ${gateways.length} gateways.</p>
<ul>${list}</ul>
<p>HTTP is at <code>/api</code> and Socket.IO at <code>/socket.io</code> of this address. Both need a token; the terminal
that started the cluster lists some to try.</p>
</html>
`
}

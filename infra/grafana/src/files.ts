import { renderRules } from './alerts.ts'
import { dashboards } from './dashboards.ts'
import { renderDashboard } from './panels.ts'

/** What is made from the definitions: paths below infra/grafana, and what stands in each file. */
export function generatedFiles(): Map<string, string> {
  const files = dashboards.map((dashboard): [string, string] => [
    `dashboards/${dashboard.uid}.json`,
    `${JSON.stringify(renderDashboard(dashboard), null, 2)}\n`,
  ])
  return new Map([...files, ['alerts/parley.rules.yml', renderRules()]])
}

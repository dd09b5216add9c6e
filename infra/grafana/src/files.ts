import { renderRules } from './alerts.ts'
import { dashboards } from './dashboards.ts'
import { renderDashboard } from './panels.ts'

/** The chart can hand out only what lies in its own folder. */
const IN_THE_CHART = '../helm/parley/files/'

/** What is made from the definitions: paths below infra/grafana, and what stands in each file. */
export function generatedFiles(): Map<string, string> {
  const files = dashboards.map((dashboard): [string, string] => [
    `dashboards/${dashboard.uid}.json`,
    `${JSON.stringify(renderDashboard(dashboard), null, 2)}\n`,
  ])
  files.push(['alerts/parley.rules.yml', renderRules()])
  return new Map([...files, ...files.map(([path, content]): [string, string] => [IN_THE_CHART + path, content])])
}

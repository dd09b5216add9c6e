import { renderRules } from './alerts.ts'
import { dashboards } from './dashboards.ts'
import { renderDashboard } from './panels.ts'

/** Helm can only read files inside the chart's own folder, so the chart gets a copy. */
const IN_THE_CHART = '../helm/parley/files/'

/** Returns the generated files: paths relative to infra/grafana, with their contents. */
export function generatedFiles(): Map<string, string> {
  const files = dashboards.map((dashboard): [string, string] => [
    `dashboards/${dashboard.uid}.json`,
    `${JSON.stringify(renderDashboard(dashboard), null, 2)}\n`,
  ])
  files.push(['alerts/parley.rules.yml', renderRules()])
  return new Map([...files, ...files.map(([path, content]): [string, string] => [IN_THE_CHART + path, content])])
}

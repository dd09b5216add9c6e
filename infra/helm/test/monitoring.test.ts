import { expect, it } from 'vitest'
import { alerts } from '../../grafana/src/alerts.ts'
import { dashboards } from '../../grafana/src/dashboards.ts'
import { render } from '../src/helm.ts'
import { LEAST, MOST } from './values.ts'

/* The chart’s alerts and dashboards are those of infra/grafana. */

it('includes the alert rules, unless the values replace them', async () => {
  const groups = async (values: object) => {
    const rule = (await render(values)).find(({ kind }) => kind === 'PrometheusRule')
    if (rule === undefined) throw new Error('no PrometheusRule')
    return (rule.spec as { groups: { rules: object[] }[] }).groups
  }
  const [own, ...more] = await groups(MOST)
  expect(more).toEqual([])
  expect(own?.rules).toMatchObject(alerts.map(({ name, expr, for: time }) => ({ alert: name, expr, for: time })))
  const others = [{ name: 'ours', rules: [{ alert: 'Down', expr: 'up == 0', for: '1m' }] }]
  const monitoring = { prometheusRule: { enabled: true, groups: others } }
  expect(await groups({ ...LEAST, monitoring })).toEqual(others)
})

it('includes the dashboards, with the label that Grafana looks for', async () => {
  const maps = (await render(MOST)).filter(({ metadata: { labels } }) => labels?.grafana_dashboard === '1')
  const uids = maps.flatMap(({ data }) => Object.values(data as object).map((text) => JSON.parse(text).uid))
  expect(uids.sort()).toEqual(dashboards.map(({ uid }) => uid).sort())
})

/** One or more curves: a PromQL expression and the name of each of its series (`{{label}}`). */
export interface Query {
  expr: string
  legend: string
}

export interface PanelDefinition {
  title: string
  /** What the panel shows and what is normal, for readers of the dashboard. */
  about: string
  queries: readonly Query[]
  unit: Unit
  /** Default `timeseries`. */
  kind?: 'timeseries' | 'stat'
  /** Of 24 columns. Default 8. */
  width?: number
}

/** Grafana's unit names. */
export type Unit = 'short' | 's' | 'ops' | 'reqps' | 'bytes' | 'percentunit' | 'bool' | 'none'

export interface Row {
  title: string
  panels: readonly PanelDefinition[]
}

export interface DashboardDefinition {
  /** Part of the dashboard's URL; never change it once people have links to it. */
  uid: string
  title: string
  description: string
  rows: readonly Row[]
}

const HEIGHT = 8
const COLUMNS = 24
const DATASOURCE = { type: 'prometheus', uid: '$datasource' }

/** Renders a dashboard as Grafana's provisioning reads it, for any Prometheus and the chosen processes. */
export function renderDashboard({ uid, title, description, rows }: DashboardDefinition): object {
  let id = 0
  let y = 0
  const panels: object[] = []
  for (const row of rows) {
    panels.push({ id: ++id, type: 'row', title: row.title, collapsed: false, gridPos: { x: 0, y, w: COLUMNS, h: 1 } })
    y++
    let x = 0
    for (const panel of row.panels) {
      const w = panel.width ?? 8
      if (x + w > COLUMNS) {
        x = 0
        y += HEIGHT
      }
      panels.push(renderPanel(panel, ++id, { x, y, w, h: HEIGHT }))
      x += w
    }
    y += HEIGHT
  }
  return {
    uid,
    title,
    description,
    tags: ['parley'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    templating: { list: [datasourceVariable, instanceVariable] },
    annotations: { list: [] },
    links: [
      { type: 'dashboards', tags: ['parley'], title: 'Parley', asDropdown: true, includeVars: true, keepTime: true },
    ],
    panels,
  }
}

const datasourceVariable = {
  name: 'datasource',
  label: 'Prometheus',
  type: 'datasource',
  query: 'prometheus',
  current: {},
  hide: 0,
}

const instanceVariable = {
  name: 'instance',
  label: 'Process',
  type: 'query',
  datasource: DATASOURCE,
  query: { query: 'label_values(parley_info, instance)', refId: 'instance' },
  definition: 'label_values(parley_info, instance)',
  refresh: 2,
  includeAll: true,
  multi: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
  sort: 1,
}

function renderPanel(panel: PanelDefinition, id: number, gridPos: object): object {
  const { title, about, queries, unit, kind = 'timeseries' } = panel
  return {
    id,
    type: kind,
    title,
    description: about,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit, min: 0, custom: kind === 'timeseries' ? { fillOpacity: 8, showPoints: 'never' } : {} },
      overrides: [],
    },
    options:
      kind === 'stat'
        ? { reduceOptions: { calcs: ['lastNotNull'] }, textMode: 'value_and_name', colorMode: 'value' }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
      range: true,
    })),
  }
}

import { gateways } from './dashboards/gateways.ts'
import { overview } from './dashboards/overview.ts'
import { processes } from './dashboards/processes.ts'
import { workers } from './dashboards/workers.ts'
import type { DashboardDefinition } from './panels.ts'

export const dashboards: readonly DashboardDefinition[] = [overview, gateways, workers, processes]

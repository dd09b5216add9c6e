import { setTimeout as delay } from 'node:timers/promises'
import type { Pod } from '@parley/testkit'
import type { Stage } from './stage.ts'

export interface Fault {
  name: string
  /** Whether it is part of the short run in the tests. */
  short: boolean
  /** Injects the fault and lifts it; resolves when everything is available again. */
  run: (stage: Stage) => Promise<void>
}

const seconds = (count: number) => delay(count * 1_000)

function pod(pods: readonly Pod[], index: number): Pod {
  const found = pods[index]
  if (found === undefined) throw new Error(`there is no pod ${index}`)
  return found
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'kill-gateway',
    short: true,
    run: async ({ cluster }) => {
      await pod(cluster.gateways, 0).kill('SIGKILL')
      await seconds(3)
      await pod(cluster.gateways, 0).restart()
    },
  },
  {
    name: 'freeze-gateway',
    short: false,
    run: async ({ cluster }) => {
      await pod(cluster.gateways, 1).kill('SIGSTOP')
      await seconds(30)
      await pod(cluster.gateways, 1).kill('SIGCONT')
    },
  },
  {
    name: 'restart-redis',
    short: false,
    run: async ({ redis }) => {
      await redis.kill()
      await seconds(20)
      await redis.start()
    },
  },
  {
    name: 'crash-postgres',
    short: true,
    run: async ({ postgres }) => {
      await postgres.crash()
      await postgres.start()
    },
  },
  {
    name: 'stop-postgres',
    short: false,
    run: async ({ postgres }) => {
      await postgres.stop()
      await seconds(10)
      await postgres.start()
    },
  },
  {
    name: 'kill-api',
    short: false,
    run: async ({ cluster }) => {
      for (const index of [0, 1]) {
        await pod(cluster.apis, index).kill('SIGKILL')
        await seconds(2)
        await pod(cluster.apis, index).restart()
      }
    },
  },
  {
    name: 'kill-worker',
    short: false,
    run: async ({ cluster }) => {
      await pod(cluster.workers, 0).kill('SIGKILL')
      await seconds(3)
      await pod(cluster.workers, 0).restart()
    },
  },
  {
    name: 'rolling-restart',
    short: false,
    run: async ({ cluster }) => {
      for (const gateway of cluster.gateways) {
        await gateway.kill('SIGTERM')
        await gateway.restart()
        await seconds(2)
      }
    },
  },
  {
    name: 'drop-clients',
    short: true,
    run: ({ cluster }) => cluster.dropConnections(),
  },
  {
    name: 'cut-redis',
    short: false,
    run: async ({ proxies }) => {
      proxies[2]?.cut()
      await seconds(10)
      proxies[2]?.restore()
    },
  },
]

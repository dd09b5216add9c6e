import { afterAll, beforeAll, describe } from 'vitest'
import { ComposeCluster } from '../src/compose-cluster.ts'
import { balancerCases } from './balancer.ts'
import { containerCases } from './containers.ts'
import { outageCases } from './outages.ts'

/* All tests share one cluster: it takes a minute to start, and longer if images have to be built. */

let cluster: ComposeCluster
beforeAll(async () => {
  cluster = await ComposeCluster.start()
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

describe('containers', () => containerCases(() => cluster))
describe('HAProxy', () => balancerCases(() => cluster))
describe('a cluster in use', () => outageCases(() => cluster))

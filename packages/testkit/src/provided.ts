import type { S3Address } from '@parley/local/services'
import { inject } from 'vitest'
import type { Profile } from './profiles.ts'

/** What the global setup provides to every test file. */
export interface ProvidedServices {
  /** Where the services run: as processes on this machine, or in containers. */
  mode: 'local' | 'containers'
  profile: Profile
  /**
   * The address of the database server for a superuser, the address for clients, and the migrated template database, which is
   * copied for tests.
   */
  postgres: { adminUrl: string; clientUrl: string; template: string }
  /** A Redis shared by all tests; null if each starts its own. */
  sharedRedisUrl: string | null
  s3: S3Address | null
  /** In the profile `tls`: the certificate of all servers, which this process trusts. */
  tls: { certFile: string; keyFile: string; caFile: string } | null
}

declare module 'vitest' {
  interface ProvidedContext {
    parley: ProvidedServices
  }
}

/** Returns the services of this run. Only callable in a test file. */
export function providedServices(): ProvidedServices {
  return inject('parley')
}

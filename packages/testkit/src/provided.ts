import type { S3Address } from '@parley/local/services'
import { inject } from 'vitest'
import type { Profile } from './profiles.ts'

/** What the global set-up tells every test file. */
export interface ProvidedServices {
  /** Where the services run: as processes of this machine, or in containers. */
  mode: 'local' | 'containers'
  profile: Profile
  /**
   * A superuser's address of the database server, the address by which clients are to come to it, and the migrated
   * database that tests get copies of.
   */
  postgres: { adminUrl: string; clientUrl: string; template: string }
  /** A Redis that all tests share; null where each starts its own. */
  sharedRedisUrl: string | null
  s3: S3Address | null
  /** With the profile `tls`: the certificate of all servers, which is trusted by this process. */
  tls: { certFile: string; keyFile: string; caFile: string } | null
}

declare module 'vitest' {
  interface ProvidedContext {
    parley: ProvidedServices
  }
}

/** The services of this run. Only inside a test file. */
export function providedServices(): ProvidedServices {
  return inject('parley')
}

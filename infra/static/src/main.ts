import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createLogger, loadSettingsOrExit, runProcess, startAdminServer } from '@parley/runtime'
import { buildStaticServer, closeStaticServer } from './server.ts'
import { staticSettings } from './settings.ts'
import { storageOrigin } from './storage-origin.ts'

const settings = loadSettingsOrExit(staticSettings)
const logger = createLogger({ name: 'static', level: settings.LOG_LEVEL })

await runProcess({
  name: 'static',
  logger,
  start: async ({ stopping }) => {
    const server = buildStaticServer({
      directory: settings.WEB_ROOT,
      storageOrigin: storageOrigin(settings),
    })
    const admin = await startAdminServer({
      host: settings.HOST,
      port: settings.ADMIN_PORT,
      ready: async () => ({ process: stopping.aborted ? 'stopping' : 'ok' }),
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(settings.PORT, settings.HOST, resolve)
    })
    return {
      port: (server.address() as AddressInfo).port,
      adminPort: admin.port,
      parts: [
        { name: 'admin', stop: () => admin.stop() },
        {
          name: 'http',
          stop: async () => {
            await delay(settings.DRAIN_DELAY_MS)
            await closeStaticServer(server)
          },
        },
      ],
    }
  },
})

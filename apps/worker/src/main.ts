import { randomUUID } from 'node:crypto'
import { awaitSchema, openDatabase } from '@parley/db'
import { Bus, Publisher } from '@parley/fanout'
import { ConversationNews, ConversationReader, Membership, People } from '@parley/messaging'
import { createPresenceReader, Reaper } from '@parley/presence'
import { openRedis, redisAddress, redisReady, requireRights } from '@parley/redis'
import {
  createLogger,
  healthOf,
  loadSettingsOrExit,
  Metrics,
  openTracing,
  runProcess,
  startAdminServer,
  troubleLog,
  VERSION,
} from '@parley/runtime'
import { bucketCheck, openFileStore } from '@parley/storage'
import { AttachmentUploads } from '@parley/storage/uploads'
import { AttachmentCleaner } from './attachments/cleaner.ts'
import { showWorker } from './measures.ts'
import { OutboxDrain } from './outbox-drain.ts'
import { presenceNotices } from './presence-notices.ts'
import { buildPush } from './push/index.ts'
import { republish } from './republish.ts'
import { searchStep } from './search/index-step.ts'
import { workerSettings } from './settings.ts'

const settings = loadSettingsOrExit(workerSettings)
const logger = createLogger({ name: 'worker', level: settings.LOG_LEVEL })

await runProcess({
  name: 'worker',
  logger,
  start: async ({ stopping }) => {
    const onError = troubleLog(logger, 'error from a service this worker depends on')
    const { tracer, stop: stopTracing } = await openTracing(settings, 'parley-worker', logger)
    const metrics = new Metrics('worker', VERSION)
    const address = redisAddress(settings)
    const db = openDatabase({ url: settings.DATABASE_URL, max: 8, applicationName: 'parley-worker', onError })
    await awaitSchema(db, { signal: stopping, logger })
    const redis = openRedis(address, { name: 'worker', commandTimeoutMs: 2_000, onError })
    const bus = new Bus(address, 'worker').on('error', onError)
    await Promise.all([bus.ready(10_000), redisReady(redis, 10_000)])
    await requireRights(redis, logger)
    const publisher = new Publisher(bus, randomUUID())
    const people = new People(db)
    const membership = new Membership(db)

    const push = buildPush({ db, address, settings, logger, onError, tracer, metrics })
    push.start()
    const search = searchStep()
    const links = openFileStore(settings)
    const reader = new ConversationReader(db, createPresenceReader({ redis }), links)
    const news = new ConversationNews({ db, reader, events: publisher, onError })
    const drain = new OutboxDrain({
      db,
      redis,
      republish: (keys) => republish({ db, events: publisher, news, links }, keys),
      steps: [...push.steps, search],
      onError,
      tracer,
      // A quarter of PUSH_GATHER_MS's default, so that a push job is queued before it is due.
      idleMs: 100,
    })
    drain.start()
    const reaper = new Reaper({ redis, onError, ...presenceNotices({ db, publisher, people, membership }) })
    reaper.start()
    const uploads = new AttachmentUploads(db, settings)
    const cleaner = new AttachmentCleaner({ uploads, onError })
    cleaner.start()

    const health = healthOf({ db, redis, bus, bucket: bucketCheck(settings), stopping })
    showWorker(metrics, { health, db, bus, drain, search, reaper, cleaner })
    const admin = await startAdminServer({
      host: settings.HOST,
      port: settings.ADMIN_PORT,
      routes: { ...push.routes, '/metrics': metrics.route },
      mounts: push.mounts,
      ready: health.ready,
      optional: health.optional,
    })
    return {
      port: null,
      adminPort: admin.port,
      parts: [
        { name: 'traces', stop: stopTracing },
        { name: 'database', stop: () => db.close() },
        { name: 'object store', stop: async () => uploads.close() },
        { name: 'redis', stop: async () => redis.disconnect() },
        { name: 'fan-out', stop: () => bus.close() },
        { name: 'admin', stop: () => admin.stop() },
        { name: 'presence reaper', stop: () => reaper.stop() },
        ...push.parts,
        { name: 'attachment cleaner', stop: () => cleaner.stop() },
        { name: 'outbox drain', stop: () => drain.stop() },
      ],
    }
  },
})

import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createTokenVerifier } from '@parley/auth'
import { awaitSchema, isUnavailable, openDatabase } from '@parley/db'
import { Bus, PublishedWatermark, Publisher, peopleNotices, tokenNotices } from '@parley/fanout'
import {
  ConversationNews,
  ConversationReader,
  ConversationSync,
  ConversationWriter,
  Epochs,
  History,
  MessageSearch,
  MessageWriter,
  People,
  ReadMarker,
  TokenRevocations,
} from '@parley/messaging'
import { createPresenceReader } from '@parley/presence'
import { openRedis, redisAddress, redisReady, requireRights } from '@parley/redis'
import {
  createLogger,
  healthOf,
  loadSettingsOrExit,
  openTracing,
  pushEndpointPolicy,
  runProcess,
  Standstill,
  startAdminServer,
  troubleLog,
} from '@parley/runtime'
import { bucketCheck, openFileStore } from '@parley/storage'
import { AttachmentUploads } from '@parley/storage/uploads'
import { AdditionLimit } from './addition-limit.ts'
import { buildApp } from './app.ts'
import { closeApp } from './closing.ts'
import { apiMetrics, HttpMeasures } from './measures.ts'
import { rateLimitRedis } from './rate-limit.ts'
import { openReadSide } from './replica.ts'
import { apiSettings } from './settings.ts'
import { LONGEST_STANDSTILL_MS } from './stale.ts'

/** How long a list waits for Redis before it shows everybody as offline, in milliseconds: a prompt list matters more. */
const PRESENCE_MS = 1_000

const settings = loadSettingsOrExit(apiSettings)
const logger = createLogger({ name: 'api', level: settings.LOG_LEVEL })

await runProcess({
  name: 'api',
  logger,
  start: async ({ stopping }) => {
    const epoch = randomUUID()
    const onError = troubleLog(logger, 'error from a service this pod depends on')
    const { tracer, stop: stopTracing } = await openTracing(settings, 'parley-api', logger)
    const measures = new HttpMeasures()
    const address = redisAddress(settings)
    const db = openDatabase({
      url: settings.DATABASE_URL,
      max: 10,
      applicationName: 'parley-api',
      queryTimeoutMs: 5_000,
      onError,
    })
    const epochs = new Epochs({ db, onParted: () => people.forgetAll(), onError })
    const newestEpoch = async () => (await epochs.current()).newest
    const readSide = openReadSide(db, settings.DATABASE_REPLICA_URL, newestEpoch, logger)
    const { reads: copies, replica, close: closeReplica } = readSide
    await awaitSchema(db, { signal: stopping, logger })
    const redis = openRedis(address, { name: 'api', commandTimeoutMs: 2_000, onError })
    const limits = rateLimitRedis(address, onError)
    const bus = new Bus(address, 'api').on('error', onError)
    await Promise.all([bus.ready(10_000), redisReady(redis, 10_000)])
    await requireRights(redis, logger)
    const watermark = new PublishedWatermark({ redis, epoch, isUnsure: isUnavailable, onError })
    await watermark.start()

    const publisher = new Publisher(bus, epoch)
    const store = openFileStore(settings)
    const uploads = new AttachmentUploads(db, settings, () => measures.rateLimited.add('unused_uploads'))
    const presence = createPresenceReader({ redis, answerMs: PRESENCE_MS })
    const conversations = new ConversationReader(db, presence, store)
    const ports = { db, events: publisher, ledger: watermark, onError, links: store, store }
    const news = new ConversationNews({ ...ports, reader: conversations })
    const messages = new MessageWriter({ ...ports, tracer, ackBeforeCommit: settings.PARLEY_TEST_ACK_BEFORE_COMMIT })
    const reads = new ReadMarker(ports)
    const revocations = new TokenRevocations({ db, tell: (notice) => void tokenNotices.publish(bus, notice) })
    tokenNotices.listen(bus, (notice) => revocations.note(notice), onError)
    const people = new People(db, (userIds) => void peopleNotices.publish(bus, userIds))
    peopleNotices.listen(bus, (userIds) => people.forget(userIds), onError)
    await epochs.start()
    const standstill = new Standstill(LONGEST_STANDSTILL_MS)
    const app = await buildApp({
      logger,
      measures,
      tracer,
      standstill,
      http: settings,
      db,
      push: { publicKey: settings.VAPID_PUBLIC_KEY ?? null, ...pushEndpointPolicy(settings) },
      tokenSettings: settings,
      jwtOptions: createTokenVerifier(settings).jwtOptions,
      revocations,
      rateLimit: { redis: limits, perPerson: settings.HTTP_REQUESTS_PER_10S },
      additions: new AdditionLimit(settings.PEOPLE_ADDED_PER_10S, () => measures.rateLimited.add('people_added')),
      people,
      conversations,
      conversationWriter: new ConversationWriter({
        ...ports,
        reader: conversations,
        news,
        maxConversations: settings.CONVERSATIONS_PER_PERSON,
      }),
      history: new History(db, conversations, store, copies),
      messages,
      reads,
      search: new MessageSearch(db, presence, store, copies),
      sync: new ConversationSync(db, store, epochs),
      store,
      uploads,
      uploadsAtOnce: settings.ATTACHMENT_UPLOADS_AT_ONCE,
    })
    const health = healthOf({ db, redis, bus, bucket: bucketCheck(settings), replica: replica?.db, stopping })
    const metrics = apiMetrics({ measures, health, db, replica, bus, watermark, writers: { messages, reads } })
    const admin = await startAdminServer({
      host: settings.HOST,
      port: settings.ADMIN_PORT,
      ready: health.ready,
      optional: health.optional,
      routes: { '/metrics': metrics.route },
    })
    await app.listen({ port: settings.PORT, host: settings.HOST })
    return {
      port: (app.server.address() as AddressInfo).port,
      adminPort: admin.port,
      parts: [
        { name: 'traces', stop: stopTracing },
        { name: 'database', stop: async () => void (await Promise.all([db.close(), closeReplica()])) },
        { name: 'object store', stop: async () => uploads.close() },
        {
          name: 'redis',
          stop: async () => {
            redis.disconnect()
            limits.disconnect()
          },
        },
        { name: 'fan-out', stop: () => bus.close() },
        { name: 'watermark', stop: () => watermark.stop() },
        { name: 'admin', stop: () => admin.stop() },
        { name: 'standstill', stop: async () => standstill.stop() },
        { name: 'epochs', stop: () => epochs.stop() },
        { name: 'writers', stop: async () => void (await Promise.all([messages.close(), reads.close()])) },
        {
          name: 'http',
          stop: async () => {
            await delay(settings.DRAIN_DELAY_MS)
            await closeApp(app)
          },
        },
      ],
    }
  },
})

import { randomUUID } from 'node:crypto'
import { createTokenVerifier } from '@parley/auth'
import { awaitSchema, isUnavailable, openDatabase } from '@parley/db'
import { Bus, encodeEvent, GatewayRooms, PublishedWatermark, Publisher, tokenNotices } from '@parley/fanout'
import {
  ConversationReader,
  ConversationSync,
  Epochs,
  goneSince,
  History,
  Membership,
  MessageWriter,
  People,
  ReadMarker,
  TokenRevocations,
} from '@parley/messaging'
import { createPresenceReader, LEASE_OUTLASTS_MS, Presence } from '@parley/presence'
import { openRedis, redisAddress, redisReady, requireRights } from '@parley/redis'
import {
  createLogger,
  healthOf,
  loadSettingsOrExit,
  openTracing,
  runProcess,
  Standstill,
  startAdminServer,
  troubleLog,
} from '@parley/runtime'
import { bucketCheck, openFileStore } from '@parley/storage'
import { serveConnections } from './connection.ts'
import { Crowd } from './crowd.ts'
import { drain } from './drain.ts'
import { acceptHandshakes } from './handshake.ts'
import { GatewayLimits } from './limits.ts'
import { GatewayMeasures, gatewayMetrics } from './measures.ts'
import { takeNewNames } from './new-names.ts'
import { OnlineNews } from './online-news.ts'
import { Resync } from './resync.ts'
import { buildServer, listen } from './server.ts'
import { gatewaySettings } from './settings.ts'
import { guardTokens } from './token-guard.ts'
import { TypingIndicators } from './typing.ts'

const settings = loadSettingsOrExit(gatewaySettings)
const logger = createLogger({ name: 'gateway', level: settings.LOG_LEVEL })

await runProcess({
  name: 'gateway',
  logger,
  start: async ({ stopping }) => {
    const epoch = randomUUID()
    const onError = troubleLog(logger, 'error from a service this gateway depends on')
    const { tracer, stop: stopTracing } = await openTracing(settings, 'parley-gateway', logger)
    const measures = new GatewayMeasures()
    const address = redisAddress(settings)
    const db = openDatabase({
      url: settings.DATABASE_URL,
      max: 4,
      applicationName: 'parley-gateway',
      queryTimeoutMs: 5_000,
      onError,
    })
    await awaitSchema(db, { signal: stopping, logger })
    // Pipelined: the presence updates of a wave of connections then share a few writes.
    const pipelined = { except: [], standaloneOnly: true } as const
    const redis = openRedis(address, { name: 'gateway', commandTimeoutMs: 2_000, pipelined, onError })
    const bus = new Bus(address, 'gateway').on('error', onError)
    await Promise.all([bus.ready(10_000), redisReady(redis, 10_000)])
    await requireRights(redis, logger)
    const watermark = new PublishedWatermark({ redis, epoch, isUnsure: isUnavailable, onError })
    await watermark.start()

    const limits = new GatewayLimits(settings)
    const { http, io } = buildServer(logger, limits, measures, settings)
    const presenceReader = createPresenceReader({ redis })
    const store = openFileStore(settings)
    const conversations = new ConversationReader(db, presenceReader, store)
    const history = new History(db, conversations, store)
    const rooms = new GatewayRooms(io, bus, {
      origin: epoch,
      onError,
      tracer,
      stored: async (conversationId, from, to) => {
        const messages = await history.range(conversationId, from, to)
        const frames = messages.map(async (message) => ({
          seq: message.seq,
          packet: encodeEvent('newMessage', message),
          leaving: await goneSince(db, message),
        }))
        return Promise.all(frames)
      },
      outsiders: (conversationId, userIds) => conversations.outsiders(conversationId, userIds),
    })
    const publisher = new Publisher(bus, epoch, rooms)
    const messages = new MessageWriter({
      db,
      events: publisher,
      ledger: watermark,
      store,
      onError,
      tracer,
      ackBeforeCommit: settings.PARLEY_TEST_ACK_BEFORE_COMMIT,
    })
    const reads = new ReadMarker({ db, events: publisher, onError })
    const people = new People(db)
    const membership = new Membership(db)
    const onParted = () => {
      logger.warn('the database follows another history: all clients are asked to sync')
      people.forgetAll()
      rooms.forget()
      resync.start('everything')
    }
    const epochs = new Epochs({ db, onParted, onError })
    const revocations = new TokenRevocations({ db, tell: (notice) => void tokenNotices.publish(bus, notice) })
    const onlineNews = new OnlineNews({ people, membership, publisher, presenceReader })
    const presence = new Presence({
      redis,
      epoch,
      onError,
      onOnline: (userId) => void onlineNews.tellOf(userId).catch(onError),
    })
    await presence.start()
    // After such a standstill the presence lease has expired and others consider this process dead: make its clients reconnect.
    const standstill = new Standstill(LEASE_OUTLASTS_MS, () => {
      for (const socket of io.sockets.sockets.values()) socket.conn.close()
    })
    const crowd = new Crowd(() => io.engine.clientsCount - io.sockets.sockets.size)
    const deps = {
      crowd,
      logger,
      measures,
      tracer,
      tokens: createTokenVerifier(settings),
      revocations,
      limits,
      people,
      membership,
      conversations,
      messages,
      reads,
      sync: new ConversationSync(db, store, epochs, () => crowd.questionsPauseMs),
      presence,
      presenceReader,
      onlineNews,
      rooms,
      standstill,
      typing: new TypingIndicators(),
    }
    acceptHandshakes(io, deps)
    serveConnections(io, deps)
    const resync = new Resync({ io, rooms, membership, people, onError, onAsked: () => measures.resyncs++ })
    bus.on('restored', () => resync.start())
    await epochs.start()
    takeNewNames({ io, bus, people, onError })
    const tokenGuard = guardTokens({ io, bus, revocations, onError })

    const health = healthOf({ db, redis, bus, bucket: bucketCheck(settings), stopping })
    const writers = { messages, reads }
    const metrics = gatewayMetrics({ measures, health, db, bus, watermark, rooms, limits, io, presence, writers })
    const admin = await startAdminServer({
      host: settings.HOST,
      port: settings.ADMIN_PORT,
      ready: health.ready,
      optional: health.optional,
      routes: { '/metrics': metrics.route },
    })
    return {
      port: await listen(http, settings.PORT, settings.HOST),
      adminPort: admin.port,
      parts: [
        { name: 'traces', stop: stopTracing },
        { name: 'database', stop: () => db.close() },
        { name: 'redis', stop: async () => redis.disconnect() },
        { name: 'fan-out', stop: () => bus.close() },
        { name: 'watermark', stop: () => watermark.stop() },
        { name: 'admin', stop: () => admin.stop() },
        { name: 'online news', stop: async () => onlineNews.flush() },
        { name: 'presence', stop: () => presence.stop() },
        { name: 'rooms', stop: async () => rooms.close() },
        { name: 'resync', stop: async () => resync.stop() },
        { name: 'epochs', stop: () => epochs.stop() },
        { name: 'standstill', stop: async () => standstill.stop() },
        { name: 'token guard', stop: async () => tokenGuard.stop() },
        { name: 'writers', stop: async () => void (await Promise.all([messages.close(), reads.close()])) },
        // Stopped first, while the writers can still answer what the sockets have sent.
        { name: 'sockets', stop: () => drain({ http, io, presence, delayMs: settings.DRAIN_DELAY_MS }) },
      ],
    }
  },
})

import { ECDH, randomUUID } from 'node:crypto'
import {
  findPushPreferences,
  listMutes,
  listPushSubscriptions,
  type MuteRow,
  muteConversation,
  type PushPreferencesRow,
  type PushSubscriptionRow,
  removePushSubscription,
  savePushPreferences,
  savePushSubscription,
} from '@parley/db'
import { REVOKED } from '@parley/messaging'
import {
  conversationParams,
  invalidRequest,
  muteBody,
  ParleyError,
  PUSH_DEVICES_PER_USER,
  type PushPreferences,
  type PushSubscription,
  type PushSubscriptionBody,
  parse,
  pushPreferencesBody,
  pushSubscriptionBody,
  pushSubscriptionParams,
  removePushSubscriptionBody,
} from '@parley/protocol'
import { isAllowedHost } from '@parley/runtime'
import type { FastifyPluginAsync } from 'fastify'
import { actorOf, issuedAtOf } from '../authentication.ts'
import type { ApiDeps } from '../deps.ts'

/** Push subscriptions and preferences, under `/api/push`. */
export const pushRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps: { db, push } }) => {
  app.get('/public-key', async () => ({ success: true, data: { publicKey: requirePush(push.publicKey) } }))

  app.post('/subscriptions', async (request, reply) => {
    requirePush(push.publicKey)
    const { id: userId } = actorOf(request)
    const { endpoint, keys } = parse(pushSubscriptionBody, request.body)
    requireCallable(endpoint, push.allowLoopback)
    const device = { id: randomUUID(), userId, endpoint, ...normalKeys(keys), issuedAt: issuedAtOf(request) }
    const row = await savePushSubscription(db.pool, device, PUSH_DEVICES_PER_USER)
    // The token was revoked after the request was authenticated.
    if (row === undefined) throw new ParleyError('TOKEN_INVALID', { message: REVOKED })
    return reply.status(201).send({ success: true, message: 'Subscription saved', data: presentSubscription(row) })
  })

  app.get('/subscriptions', async (request) => {
    const rows = await listPushSubscriptions(db.pool, actorOf(request).id)
    return { success: true, data: rows.map(presentSubscription) }
  })

  app.delete('/subscriptions/:subscriptionId', async (request) => {
    const { subscriptionId } = parse(pushSubscriptionParams, request.params)
    return removed(await removePushSubscription(db.pool, actorOf(request).id, { id: subscriptionId }))
  })

  app.delete('/subscriptions', async (request) => {
    const { endpoint } = parse(removePushSubscriptionBody, request.body)
    return removed(await removePushSubscription(db.pool, actorOf(request).id, { endpoint }))
  })

  app.get('/preferences', async (request) => ({
    success: true,
    data: presentPreferences(await findPushPreferences(db.pool, actorOf(request).id)),
  }))

  app.put('/preferences', async (request) => {
    const { id } = actorOf(request)
    const row = await savePushPreferences(db.pool, id, parse(pushPreferencesBody, request.body))
    return { success: true, message: 'Preferences saved', data: presentPreferences(row) }
  })
}

/** Muted conversations, under `/api/messages`. */
export const muteRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps: { db } }) => {
  app.get('/mutes', async (request) => {
    const rows = await listMutes(db.pool, actorOf(request).id)
    return { success: true, data: rows.map(presentMute) }
  })

  app.put('/conversations/:conversationId/mute', async (request) => {
    const { conversationId } = parse(conversationParams, request.params)
    const { until } = parse(muteBody, request.body)
    const row = await muteConversation(db.pool, conversationId, actorOf(request).id, until)
    if (row === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
    const message = until === null ? 'Conversation no longer muted' : 'Conversation muted'
    return { success: true, message, data: presentMute(row) }
  })
}

function requirePush(publicKey: string | null): string {
  if (publicKey === null) throw new ParleyError('PUSH_DISABLED')
  return publicKey
}

/** Checks the host as written; the worker checks what it resolves to each time it connects. */
function requireCallable(endpoint: string, allowLoopback: boolean): void {
  if (isAllowedHost(new URL(endpoint).hostname, { allowLoopback })) return
  throw invalidRequest([{ path: 'endpoint', message: 'must be a public address' }])
}

/** Returns the keys in base64url without padding, after checking that messages can be encrypted to them. */
function normalKeys({ p256dh, auth }: PushSubscriptionBody['keys']): PushSubscriptionBody['keys'] {
  try {
    ECDH.convertKey(p256dh, 'prime256v1', 'base64url', 'base64url', 'compressed')
  } catch {
    throw invalidRequest([{ path: 'keys.p256dh', message: 'must be a point on the P-256 curve' }])
  }
  const normal = (text: string) => Buffer.from(text, 'base64url').toString('base64url')
  return { p256dh: normal(p256dh), auth: normal(auth) }
}

function removed(was: boolean) {
  if (!was) throw new ParleyError('NOT_FOUND', { message: 'There is no such subscription.' })
  return { success: true, message: 'Subscription removed', data: null }
}

function presentSubscription(row: PushSubscriptionRow): PushSubscription {
  return { id: row.id, endpoint: row.endpoint, createdAt: row.created_at }
}

function presentMute(row: MuteRow) {
  return { conversationId: row.conversation_id, mutedUntil: row.muted_until }
}

function presentPreferences(row: PushPreferencesRow | undefined): PushPreferences {
  if (row === undefined) return { showContent: true, quietHours: null }
  const { quiet_start: start, quiet_end: end, time_zone: timeZone } = row
  const quietHours = start === null || end === null || timeZone === null ? null : { start, end, timeZone }
  return { showContent: row.show_content, quietHours }
}

/// <reference path="./http-ece.d.ts" />
import type { ECDH } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type PushPayload, pushPayload } from '@parley/protocol'
import { decrypt } from 'http_ece'
import { checkVapid } from './vapid.ts'

/** A push that was received, whatever the response. */
export interface ReceivedPush {
  deviceId: string
  payload: PushPayload
  ttl: number
  urgency: string | undefined
  topic: string | undefined
  /** The Authorization header; its signature has been verified. */
  authorization: string
  /** The sender's contact from the VAPID token (`sub`). */
  subject: string
  /** The size of the encrypted body in bytes. */
  bytes: number
  status: number
  /** When it arrived, in milliseconds since 1970. */
  at: number
}

/** The receiver's keys of a subscription. */
export interface SubscriptionKeys {
  curve: ECDH
  auth: string
}

interface Context {
  origin: string
  vapidPublicKey: string
  deviceId: string
  status: number
}

/** Validates and decrypts a push. @throws if it is invalid, with the reason */
export function readPush(
  { method, headers }: IncomingMessage,
  body: Buffer,
  { curve, auth }: SubscriptionKeys,
  { origin, vapidPublicKey, deviceId, status }: Context,
): ReceivedPush {
  const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined)
  if (method !== 'POST') throw new Error(`a push must be a POST, not a ${method}`)
  if (!/^\d+$/.test(text('ttl') ?? '')) throw new Error('a push must have a TTL')
  if (text('content-encoding') !== 'aes128gcm') throw new Error('a push must be encrypted with aes128gcm')
  if (body.length > 4_096) throw new Error(`a push must have at most 4096 bytes, not ${body.length}`)
  const topic = text('topic')
  if (topic !== undefined && !/^[\w-]{1,32}$/.test(topic)) throw new Error(`${topic} is not a valid Topic`)
  const authorization = text('authorization') ?? ''
  const { sub: subject } = checkVapid(authorization, origin, vapidPublicKey)
  const plain = decrypt(body, { version: 'aes128gcm', privateKey: curve, authSecret: auth })
  return {
    deviceId,
    payload: pushPayload.parse(JSON.parse(plain.toString())),
    ttl: Number(text('ttl')),
    urgency: text('urgency'),
    topic,
    authorization,
    subject,
    bytes: body.length,
    status,
    at: Date.now(),
  }
}

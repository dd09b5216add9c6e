import { type ClientEventName, clientEvents, type ServerEventName, serverEvents, successShape } from '@parley/protocol'
import type { z } from 'zod'
import { clientEventNotes, eventErrorsOf, serverEventNotes } from './events.ts'
import { type JsonSchema, jsonSchemas } from './json-schema.ts'
import { models } from './models.ts'
import { failureWith, pascal, reference } from './references.ts'

/** The parts of an AsyncAPI 3 document that this package uses. */
export interface AsyncApiDocument {
  asyncapi: string
  operations: Record<string, JsonSchema>
  components: { schemas: Record<string, JsonSchema>; messages: Record<string, JsonSchema>; securitySchemes: JsonSchema }
  [field: string]: unknown
}

const DESCRIPTION = `The events of a Parley gateway: Socket.IO (protocol 5, Engine.IO 4) at \`/socket.io\`, over WebSocket or
polling, in the namespace \`/\`. A socket is opened with \`auth: {token}\`. In addition to the token, it may contain
\`visible: false\`: the person is not looking at the application yet.

Each client event takes an optional ack, whose only argument is the response: \`{success: true, data}\` or
\`{success: false, message, error}\`. Without an ack, a failure arrives as an \`exception\` event. Clients must ignore unknown
events and fields: later versions may add some.`

const clientNames = Object.keys(clientEvents) as ClientEventName[]
const serverNames = Object.keys(serverEvents) as ServerEventName[]

/** Returns the gateway's events in both directions as an AsyncAPI 3 document, whose application is the gateway. */
export function asyncApiDocument({ version = '0.1.0' }: { version?: string } = {}): AsyncApiDocument {
  const messages = { ...clientMessages(), ...ackMessages(), ...serverMessages() }
  return {
    asyncapi: '3.0.0',
    id: 'urn:parley:gateway',
    defaultContentType: 'application/json',
    info: { title: 'Parley gateway', version, description: DESCRIPTION, license: { name: 'MIT' } },
    servers: {
      cluster: {
        host: '{host}',
        pathname: '/socket.io',
        protocol: 'wss',
        description: 'The public address of the cluster',
        variables: { host: { default: 'chat.example.com' } },
        security: [{ $ref: '#/components/securitySchemes/token' }],
      },
    },
    channels: {
      socket: {
        address: '/',
        title: 'The namespace /',
        description:
          'One connection of one person. An event’s name is the message’s name; its payload is its only argument.',
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
      },
    },
    operations: { ...clientOperations(), ...serverOperations() },
    components: {
      schemas: schemas(),
      messages,
      securitySchemes: {
        token: {
          type: 'httpApiKey',
          name: 'token',
          in: 'query',
          description: 'The person’s JWT, passed as `auth: {token}` in the Socket.IO handshake (not in the URL).',
        },
      },
    },
  }
}

function schemas(): Record<string, JsonSchema> {
  const outputs = new Map(models)
  const named = new Set(models.values())
  for (const name of serverNames) {
    if (!named.has(serverEvents[name])) outputs.set(payloadName(name), serverEvents[name])
  }
  for (const name of clientNames) outputs.set(`${pascal(name)}Answer`, successShape(clientEventNotes[name].ack))
  const inputs = new Map<string, z.ZodType>(clientNames.map((name) => [payloadName(name), clientEvents[name]]))
  return { ...jsonSchemas(outputs, 'output'), ...jsonSchemas(inputs, 'input') }
}

function clientMessages(): Record<string, JsonSchema> {
  return Object.fromEntries(
    clientNames.map((name) => [
      name,
      { name, title: name, summary: clientEventNotes[name].summary, payload: reference(payloadName(name)) },
    ]),
  )
}

function ackMessages(): Record<string, JsonSchema> {
  return Object.fromEntries(
    clientNames.map((name) => [
      `${name}Ack`,
      {
        name: `${name}Ack`,
        title: `Ack of ${name}`,
        payload: { oneOf: [reference(`${pascal(name)}Answer`), failureWith(eventErrorsOf(name))] },
      },
    ]),
  )
}

function serverMessages(): Record<string, JsonSchema> {
  return Object.fromEntries(
    serverNames.map((name) => [
      name,
      { name, title: name, summary: serverEventNotes[name], payload: reference(serverPayload(name)) },
    ]),
  )
}

/** The gateway receives what a client sends, and replies with the ack. */
function clientOperations(): Record<string, JsonSchema> {
  return Object.fromEntries(
    clientNames.map((name) => [
      name,
      {
        action: 'receive',
        channel: CHANNEL,
        title: name,
        summary: clientEventNotes[name].summary,
        messages: [messageOf(name)],
        reply: { channel: CHANNEL, messages: [messageOf(`${name}Ack`)] },
      },
    ]),
  )
}

function serverOperations(): Record<string, JsonSchema> {
  return Object.fromEntries(
    serverNames.map((name) => [
      name,
      {
        action: 'send',
        channel: CHANNEL,
        title: name,
        summary: serverEventNotes[name],
        messages: [messageOf(name)],
      },
    ]),
  )
}

const CHANNEL = { $ref: '#/channels/socket' }

function messageOf(name: string): JsonSchema {
  return { $ref: `#/channels/socket/messages/${name}` }
}

/** Returns the schema name of an event's payload: that of the model if the payload is one. */
function serverPayload(name: ServerEventName): string {
  for (const [model, schema] of models) if (schema === serverEvents[name]) return model
  return payloadName(name)
}

function payloadName(event: string): string {
  return `${pascal(event)}Payload`
}

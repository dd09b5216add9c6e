import { z } from 'zod'
import { defineSettings, setting } from './config.ts'
import { flag, webUrl, wholeNumber } from './setting-values.ts'

const port = wholeNumber(0, 65_535)

/** The environment of the process. Everything that is safe in development only depends on it. */
export const environmentSettings = defineSettings({
  NODE_ENV: setting(
    z.enum(['development', 'test', 'production']),
    'The environment. Production has no default secrets and no development endpoints',
    { expected: 'development, test or production', default: 'development' },
  ),
})

export const logSettings = defineSettings({
  LOG_LEVEL: setting(
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'The minimum level of log lines',
    { expected: 'trace, debug, info, warn, error, fatal or silent', default: 'info' },
  ),
})

export const databaseSettings = defineSettings({
  DATABASE_URL: setting(z.url({ protocol: /^postgres(ql)?$/ }), 'The Postgres database that holds everything', {
    expected: 'a postgres:// URL',
    credential: true,
    developmentDefault: 'postgres://parley:parley@127.0.0.1:5432/parley',
  }),
})

/** For processes that can read slightly outdated data. */
export const replicaSettings = defineSettings({
  DATABASE_REPLICA_URL: setting(
    z.url({ protocol: /^postgres(ql)?$/ }).optional(),
    'A read replica of that database (streaming replication), or a balancer in front of several; history and search read from it',
    { expected: 'a postgres:// URL', credential: true },
  ),
})

const redisUrl = z.url({ protocol: /^rediss?$/ })

export const redisSettings = defineSettings({
  REDIS_URL: setting(
    z.string().refine((text) => text.split(',').every((url) => redisUrl.safeParse(url.trim()).success)),
    'The Redis for fan-out, presence and queues: one server, or some nodes of a Redis Cluster, separated by commas',
    {
      expected: 'a redis:// or rediss:// URL, or several, separated by commas',
      credential: true,
      developmentDefault: 'redis://127.0.0.1:6379',
    },
  ),
  REDIS_CLUSTER: setting(
    flag,
    'Whether REDIS_URL is a Redis Cluster; needed if it is a single URL, several always are',
    {
      expected: 'true or false',
      default: 'false',
    },
  ),
})

export const httpSettings = defineSettings({
  HOST: setting(z.string().max(255), 'The address to listen on, for both ports', {
    expected: 'an address or host name of this machine',
    default: '0.0.0.0',
    developmentDefault: '127.0.0.1',
  }),
  PORT: setting(port, 'The port for users; 0 for any free one', {
    expected: 'a port number from 0 to 65535',
    default: '0',
  }),
  ADMIN_PORT: setting(port, 'The port for health checks and metrics; keep it private. 0 for any free one', {
    expected: 'a port number from 0 to 65535',
    default: '0',
  }),
})

const sharedSecret = z
  .string()
  .refine((text) => !text.includes('-----BEGIN'))
  .optional()

export const tokenSettings = defineSettings({
  JWT_SECRET: setting(sharedSecret, 'The secret with which users’ tokens are signed (HS256)', {
    expected: 'a random text of 32 characters or more, and not a PEM key (for public keys use JWT_JWKS_URL)',
    developmentDefault: 'parley-development-secret-do-not-use-in-production',
    secret: { minLength: 32 },
    alternativeTo: 'JWT_JWKS_URL',
  }),
  JWT_SECRET_PREVIOUS: setting(
    sharedSecret,
    'While JWT_SECRET is being rotated: another secret whose tokens are also accepted, the previous or the next one',
    {
      expected: 'a random text of 32 characters or more',
      secret: { minLength: 32 },
      onlyWith: 'JWT_SECRET',
    },
  ),
  JWT_JWKS_URL: setting(
    webUrl.optional(),
    'The URL of the public keys for users’ tokens (RS256, ES256 or EdDSA), instead of JWT_SECRET',
    { expected: 'an http:// or https:// URL of a JSON Web Key Set' },
  ),
  JWT_ISSUER: setting(z.string().max(2_000).optional(), 'If set, a token must have this issuer (iss)', {
    expected: 'the issuer’s name as in the tokens',
  }),
  JWT_AUDIENCE: setting(z.string().max(2_000).optional(), 'If set, a token must be meant for this audience (aud)', {
    expected: 'the audience’s name as in the tokens',
  }),
})

export const s3Settings = defineSettings({
  S3_ENDPOINT: setting(webUrl.optional(), 'The S3 API that stores attachments; without it, AWS in S3_REGION', {
    expected: 'an http:// or https:// URL',
  }),
  S3_PUBLIC_ENDPOINT: setting(
    webUrl.optional(),
    'The address by which clients reach the same S3 API, for URLs of files; without it, S3_ENDPOINT',
    { expected: 'an http:// or https:// URL' },
  ),
  S3_REGION: setting(z.string().max(100), 'The region of the bucket (Cloudflare R2: auto)', {
    expected: 'a region’s name',
    default: 'us-east-1',
  }),
  S3_BUCKET: setting(z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/), 'The bucket for attachments', {
    expected: 'a bucket name of 3 to 63 lower-case letters, digits, dots and dashes',
    default: 'parley',
  }),
  S3_ACCESS_KEY_ID: setting(z.string().max(200), 'The key id for the S3 API', {
    expected: 'an access key id',
    developmentDefault: 'parley-development',
  }),
  S3_SECRET_ACCESS_KEY: setting(z.string().max(500), 'The secret key for the S3 API', {
    expected: 'a secret access key',
    developmentDefault: 'parley-development-secret',
    // Issued by the S3 provider, so we cannot require more: AWS has 40 characters, R2 64, MinIO at least 8.
    secret: { minLength: 8 },
  }),
  S3_SESSION_TOKEN: setting(z.string().max(8_000).optional(), 'The session token, if the key is a temporary one', {
    expected: 'the token issued with a temporary access key',
    secret: { minLength: 8 },
    onlyWith: 'S3_ACCESS_KEY_ID',
  }),
  S3_FORCE_PATH_STYLE: setting(
    flag,
    'Whether the bucket goes into the path instead of the host name (MinIO, local servers)',
    {
      expected: 'true or false',
      default: 'false',
      developmentDefault: 'true',
    },
  ),
})

/** A media type, a family of them (`image/*`), or all. */
const MEDIA_TYPE = /^(\*\/\*|[a-z0-9][a-z0-9.+-]*\/(\*|[a-z0-9][a-z0-9.+-]*))$/

/** Settings of attachments, for processes that check or show them. */
export const attachmentSettings = defineSettings({
  ATTACHMENT_MAX_BYTES: setting(
    wholeNumber(1, 9_999_999_999_999),
    'The maximum size of a file that is sent with its message in one request',
    {
      expected: 'a number of bytes',
      default: String(25 * 1024 ** 2),
    },
  ),
  ATTACHMENT_DIRECT_MAX_BYTES: setting(
    wholeNumber(1, 1024 ** 4),
    'The maximum size of a file that is uploaded directly to object storage',
    { expected: 'a number of bytes, at most 1099511627776 (1 TiB)', default: String(1024 ** 3) },
  ),
  ATTACHMENT_TYPES: setting(
    z
      .string()
      .transform((text) =>
        text
          .toLowerCase()
          .split(',')
          .map((type) => type.trim()),
      )
      .pipe(z.array(z.string().regex(MEDIA_TYPE)).min(1)),
    'The types of files that may be sent; the type is detected from the content',
    { expected: 'comma-separated media types, such as image/*,video/mp4,application/pdf', default: '*/*' },
  ),
  ATTACHMENT_URL_SECONDS: setting(
    wholeNumber(4, 604_800),
    'How long the URL of a file is valid; in practice up to a quarter less',
    { expected: 'a number of seconds from 4 to 604800 (a week)', default: '3600' },
  ),
  ATTACHMENT_UPLOADS_AT_ONCE: setting(
    wholeNumber(1, 10_000),
    'Maximum number of concurrent requests with files per pod, an eighth of them per user; each needs about 6 MB of memory',
    { expected: 'a whole number from 1 to 10000', default: '32' },
  ),
})

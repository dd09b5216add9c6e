import { z } from 'zod'
import { defineSettings, setting } from './config.ts'
import { flag, webUrl, wholeNumber } from './setting-values.ts'

const port = wholeNumber(0, 65_535)

/** What kind of place the process runs in. Everything that is safe in development only hangs on it. */
export const environmentSettings = defineSettings({
  NODE_ENV: setting(
    z.enum(['development', 'test', 'production']),
    'Where the process runs. Production has no default secrets and no development endpoints',
    { expected: 'development, test or production', default: 'development' },
  ),
})

export const logSettings = defineSettings({
  LOG_LEVEL: setting(
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'The least serious log line that is written',
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

/** For processes that read what may be some moments old. */
export const replicaSettings = defineSettings({
  DATABASE_REPLICA_URL: setting(
    z.url({ protocol: /^postgres(ql)?$/ }).optional(),
    'A read replica of that database (streaming replication), or a balancer in front of several: pages of history and search are read there',
    { expected: 'a postgres:// URL', credential: true },
  ),
})

const redisUrl = z.url({ protocol: /^rediss?$/ })

export const redisSettings = defineSettings({
  REDIS_URL: setting(
    z.string().refine((text) => text.split(',').every((url) => redisUrl.safeParse(url.trim()).success)),
    'The Redis for fan-out, presence and queues: one server, or some nodes of a Redis Cluster with commas between them',
    {
      expected: 'a redis:// or rediss:// URL, or several with commas between them',
      credential: true,
      developmentDefault: 'redis://127.0.0.1:6379',
    },
  ),
  REDIS_CLUSTER: setting(flag, 'REDIS_URL is a Redis Cluster; several URLs always are, one may be its only address', {
    expected: 'true or false',
    default: 'false',
  }),
})

export const httpSettings = defineSettings({
  HOST: setting(z.string().max(255), 'The address to listen on, for users and for the admin port', {
    expected: 'an address or host name of this machine',
    default: '0.0.0.0',
    developmentDefault: '127.0.0.1',
  }),
  PORT: setting(port, 'The port for users; 0 takes any free one', {
    expected: 'a port number from 0 to 65535',
    default: '0',
  }),
  ADMIN_PORT: setting(port, 'The port for health checks and metrics; keep it private. 0 takes any free one', {
    expected: 'a port number from 0 to 65535',
    default: '0',
  }),
})

const sharedSecret = z
  .string()
  .refine((text) => !text.includes('-----BEGIN'))
  .optional()

export const tokenSettings = defineSettings({
  JWT_SECRET: setting(sharedSecret, 'The secret that users’ tokens are signed with (HS256)', {
    expected: 'a random text of 32 characters or more, and not a PEM key (for public keys use JWT_JWKS_URL)',
    developmentDefault: 'parley-development-secret-do-not-use-in-production',
    secret: { minLength: 32 },
    alternativeTo: 'JWT_JWKS_URL',
  }),
  JWT_SECRET_PREVIOUS: setting(
    sharedSecret,
    'While JWT_SECRET is being changed: another secret whose tokens are accepted too, the one before or the next one',
    {
      expected: 'a random text of 32 characters or more',
      secret: { minLength: 32 },
      onlyWith: 'JWT_SECRET',
    },
  ),
  JWT_JWKS_URL: setting(
    webUrl.optional(),
    'Where the public keys for users’ tokens are (RS256, ES256 or EdDSA), in place of JWT_SECRET',
    { expected: 'an http:// or https:// URL of a JSON Web Key Set' },
  ),
  JWT_ISSUER: setting(z.string().max(2_000).optional(), 'If set, a token must have this issuer (iss)', {
    expected: 'the issuer’s name as it stands in the tokens',
  }),
  JWT_AUDIENCE: setting(z.string().max(2_000).optional(), 'If set, a token must be meant for this audience (aud)', {
    expected: 'the audience’s name as it stands in the tokens',
  }),
})

export const s3Settings = defineSettings({
  S3_ENDPOINT: setting(webUrl.optional(), 'The S3 API that stores attachments; without it, AWS in S3_REGION', {
    expected: 'an http:// or https:// URL',
  }),
  S3_PUBLIC_ENDPOINT: setting(
    webUrl.optional(),
    'The same S3 API under the name by which clients reach it, for the addresses of files; without it, S3_ENDPOINT',
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
    // Handed out by the S3 provider, so not ours to make longer: AWS has 40 characters, R2 64, MinIO asks for 8.
    secret: { minLength: 8 },
  }),
  S3_SESSION_TOKEN: setting(z.string().max(8_000).optional(), 'The session token, where the key is a temporary one', {
    expected: 'what came with a temporary access key',
    secret: { minLength: 8 },
    onlyWith: 'S3_ACCESS_KEY_ID',
  }),
  S3_FORCE_PATH_STYLE: setting(flag, 'Put the bucket into the path rather than the host name (MinIO, local servers)', {
    expected: 'true or false',
    default: 'false',
    developmentDefault: 'true',
  }),
})

/** One media type, or a family of them (`image/*`), or all. */
const MEDIA_TYPE = /^(\*\/\*|[a-z0-9][a-z0-9.+-]*\/(\*|[a-z0-9][a-z0-9.+-]*))$/

/** Of attachments, for whoever checks or shows them. */
export const attachmentSettings = defineSettings({
  ATTACHMENT_MAX_BYTES: setting(
    wholeNumber(1, 9_999_999_999_999),
    'The largest file that may be sent with its message in one request',
    {
      expected: 'a number of bytes',
      default: String(25 * 1024 ** 2),
    },
  ),
  ATTACHMENT_DIRECT_MAX_BYTES: setting(
    wholeNumber(1, 1024 ** 4),
    'The largest file that may be put straight into the store',
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
    'The types of file that may be sent; the type is found out from the bytes',
    { expected: 'media types with commas between them, such as image/*,video/mp4,application/pdf', default: '*/*' },
  ),
  ATTACHMENT_URL_SECONDS: setting(
    wholeNumber(4, 604_800),
    'How long the address of a file is good for; up to a quarter less for one that was made before',
    { expected: 'a number of seconds from 4 to 604800 (a week)', default: '3600' },
  ),
  ATTACHMENT_UPLOADS_AT_ONCE: setting(
    wholeNumber(1, 10_000),
    'How many requests with files a pod takes at the same time, an eighth of them from one person; each needs about 6 MB of memory',
    { expected: 'a whole number from 1 to 10000', default: '32' },
  ),
})

import { ParleyError } from '@parley/protocol'
import { TOKEN_ERROR_CODES } from 'fast-jwt'

/** Messages for specific failures of a token; the others get the registry's message. */
const explanations: Readonly<Record<string, string>> = {
  [TOKEN_ERROR_CODES.inactive]: 'The token is not valid yet.',
  [TOKEN_ERROR_CODES.malformed]: 'The token is not a JWT.',
  [TOKEN_ERROR_CODES.invalidSignature]: 'The token’s signature is not valid.',
  [TOKEN_ERROR_CODES.missingSignature]: 'The token is not signed.',
  [TOKEN_ERROR_CODES.invalidAlgorithm]: 'The token is signed with an algorithm that is not accepted here.',
  FST_JWT_BAD_REQUEST: 'The Authorization header should be: Bearer, one space, the token.',
}

/**
 * Converts an error of fast-jwt or @fastify/jwt to the error for the client. Any other error is returned unchanged: it is our own
 * fault and must not be reported as a bad token.
 */
export function tokenError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ParleyError || !('code' in error)) return error
  const { code } = error
  if (typeof code !== 'string') return error
  // fast-jwt wraps whatever the key lookup threw.
  if ('originalError' in error && error.originalError instanceof ParleyError) return error.originalError
  if (code === TOKEN_ERROR_CODES.expired || code === 'FST_JWT_AUTHORIZATION_TOKEN_EXPIRED') {
    return new ParleyError('TOKEN_EXPIRED', { cause: error })
  }
  if (code === 'FST_JWT_NO_AUTHORIZATION_IN_HEADER') return new ParleyError('TOKEN_MISSING', { cause: error })
  if (!code.startsWith('FAST_JWT_') && !code.startsWith('FST_JWT_')) return error
  const message = explanations[code]
  return new ParleyError('TOKEN_INVALID', { cause: error, ...(message === undefined ? {} : { message }) })
}

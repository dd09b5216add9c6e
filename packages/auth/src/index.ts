export { tokenError } from './errors.ts'
export { type Identity, identityFromClaims } from './identity.ts'
export {
  createTokenVerifier,
  type FastifyJwtOptions,
  signToken,
  type TokenClaims,
  type TokenSettings,
  type TokenVerifier,
} from './verifier.ts'

import { ParleyError } from '@parley/protocol'

/** @throws {ParleyError} FILE_TOO_LARGE */
export function requireSize(fileName: string, size: number, maxBytes: number): void {
  if (size <= maxBytes) return
  throw new ParleyError('FILE_TOO_LARGE', {
    message: `“${fileName}” is larger than ${maxBytes} bytes.`,
    details: { fileName, maxBytes },
  })
}

/**
 * @param types the accepted media types: types, families (image/*) or all of them
 * @throws {ParleyError} FILE_TYPE_NOT_ALLOWED
 */
export function requireType(fileName: string, fileType: string, types: readonly string[]): void {
  const family = `${fileType.split('/', 1)[0]}/*`
  if (types.some((allowed) => allowed === '*/*' || allowed === family || allowed === fileType)) return
  throw new ParleyError('FILE_TYPE_NOT_ALLOWED', {
    message: `“${fileName}” is of type ${fileType}, which may not be sent here.`,
    details: { fileName, fileType },
  })
}

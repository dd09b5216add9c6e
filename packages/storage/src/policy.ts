import { ParleyError } from '@parley/protocol'

/** Which files are taken. */
export interface FilePolicy {
  /** Bytes, of a file that comes with its message. */
  maxBytes: number
  /** Bytes, of a file that is put straight into the store. */
  directMaxBytes: number
  /** Media types, families of them (image/*), or all of them. */
  types: readonly string[]
}

/** @throws {ParleyError} FILE_TOO_LARGE */
export function requireSize(fileName: string, size: number, maxBytes: number): void {
  if (size <= maxBytes) return
  throw new ParleyError('FILE_TOO_LARGE', {
    message: `“${fileName}” is larger than ${maxBytes} bytes.`,
    details: { fileName, maxBytes },
  })
}

/** @throws {ParleyError} FILE_TYPE_NOT_ALLOWED */
export function requireType(fileName: string, fileType: string, { types }: Pick<FilePolicy, 'types'>): void {
  const family = `${fileType.split('/', 1)[0]}/*`
  if (types.some((allowed) => allowed === '*/*' || allowed === family || allowed === fileType)) return
  throw new ParleyError('FILE_TYPE_NOT_ALLOWED', {
    message: `“${fileName}” is of the type ${fileType}, which may not be sent here.`,
    details: { fileName, fileType },
  })
}

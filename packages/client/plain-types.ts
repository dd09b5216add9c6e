import type { z } from 'zod'

/*
 * Turns the protocol's zod schemas into plain interfaces with the comments on their fields: what users of the client see in
 * an editor, without zod and its types.
 */

type Schema = z.core.$ZodType

/** One module of the protocol. */
export interface ProtocolModule {
  source: string
  /** What it exports. */
  exports: Record<string, unknown>
  /** Types to leave as they are. */
  except: readonly string[]
}

const INFERRED = /^export type (\w+) = z\.infer<typeof (\w+)>;?$/gm

/** Writes types that are inferred from schemas as plain ones, which refer to each other by the names used in `modules`. */
export class PlainTypes {
  readonly #names = new Map<unknown, string>()
  /** Source of each constant, by name. */
  readonly #constants = new Map<string, string>()

  constructor(modules: readonly ProtocolModule[]) {
    for (const { source, exports } of modules) {
      for (const [, type = '', name = ''] of source.matchAll(INFERRED)) this.#names.set(exports[name], type)
      for (const part of source.split(/\n(?=\/\*\*)|(?<!\*\/)\n(?=export |const )/)) {
        const name = /^(?:export )?const (\w+) =/m.exec(part)?.[1]
        if (name !== undefined) this.#constants.set(name, part)
      }
    }
  }

  /**
   * Returns a module's declarations with the inferred types replaced by plain ones.
   * @param imports specifier to import the other modules' types from
   */
  declare(declarations: string, { exports, except }: ProtocolModule, imports: string): string {
    const own = new Set<string>()
    const used = new Set<string>()
    const plain = declarations.replaceAll(INFERRED, (inferred, type: string, name: string) => {
      if (except.includes(type)) return inferred
      own.add(type)
      const schema = exports[name] as Schema
      const shape = this.#shape(schema, { used, docs: this.#docsOf(name), root: true })
      const about = /^\/\*\*[\s\S]*?\*\//.exec(this.#constants.get(name) ?? '')?.[0] ?? ''
      const isObject = schema._zod.def.type === 'object'
      return `${about}\nexport ${isObject ? `interface ${type} ${shape}` : `type ${type} = ${shape};`}`
    })
    const foreign = [...used].filter((type) => !own.has(type))
    return foreign.length === 0 ? plain : `import type { ${foreign.join(', ')} } from '${imports}';\n${plain}`
  }

  /** Returns comments by field name: a constant's own first, then those of the schemas it extends or spreads. */
  #docsOf(name: string): Map<string, string> {
    const source = this.#constants.get(name) ?? ''
    const found = new Map<string, string>()
    for (const [, doc = '', field = ''] of source.matchAll(/(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\s+(\w+):/g))
      found.set(field, doc)
    for (const [, extended, spread] of source.matchAll(/\b(\w+)\.extend\(|\.\.\.(\w+)/g)) {
      for (const [field, doc] of this.#docsOf(extended ?? spread ?? '')) if (!found.has(field)) found.set(field, doc)
    }
    return found
  }

  #shape(schema: Schema, context: { used: Set<string>; docs: Map<string, string>; root?: boolean }): string {
    const name = this.#names.get(schema)
    if (name !== undefined && context.root !== true) {
      context.used.add(name)
      return name
    }
    const inner = { used: context.used, docs: context.docs }
    const { def } = schema._zod as z.core.$ZodTypes['_zod']
    switch (def.type) {
      case 'string':
      case 'number':
      case 'boolean':
        return def.type
      case 'nullable':
        return `${this.#shape(def.innerType, inner)} | null`
      case 'optional':
        return `${this.#shape(def.innerType, inner)} | undefined`
      case 'array':
        return `Array<${this.#shape(def.element, inner)}>`
      case 'enum':
        return Object.values(def.entries)
          .map((value) => JSON.stringify(value))
          .join(' | ')
      case 'literal':
        return def.values.map((value) => JSON.stringify(value)).join(' | ')
      case 'union':
        return def.options.map((option) => this.#shape(option, inner)).join(' | ')
      case 'object': {
        const fields = Object.entries(def.shape).map(([field, value]) => {
          const mark = value._zod.def.type === 'optional' ? '?' : ''
          return `${context.docs.get(field) ?? ''}\n${field}${mark}: ${this.#shape(value, inner)};`
        })
        return `{\n${fields.join('\n')}\n}`
      }
      default:
        throw new Error(`There is no plain type for zod's ${def.type}.`)
    }
  }
}

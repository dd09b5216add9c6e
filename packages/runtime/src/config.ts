import type { z } from 'zod'

/** The declaration of one setting. `T` is its type after parsing. */
export interface Setting<T> {
  readonly schema: z.ZodType<T>
  /** Description for docs/CONFIG.md. */
  readonly description: string
  /** Describes a valid value; completes the sentence "it should be ...". Never a value of the setting itself. */
  readonly expected: string
  /** Default in all environments. */
  readonly default?: string
  /** Default outside production; takes precedence over `default`. */
  readonly developmentDefault?: string
  /** Marks a secret: in production, development defaults of any secret and values shorter than this are refused. */
  readonly secret?: { readonly minLength: number }
  /**
   * Name of the setting that can replace this one. If that one is set, this one must not be set and is `undefined` (its
   * default does not apply either); otherwise this one is required.
   */
  readonly alternativeTo?: string
  /** Name of the setting without which this one must not be set. */
  readonly onlyWith?: string
  /** Contains a credential whose strength we do not check (a password in a URL, a key). Must be kept like a secret. */
  readonly credential?: boolean
  /** Breaks a guarantee on purpose, for tests: must not be set in production. */
  readonly testOnly?: boolean
}

export type SettingOptions = Omit<Setting<unknown>, 'schema' | 'description'>
export type SettingsDefinition = Readonly<Record<string, Setting<unknown>>>
export type SettingsOf<D extends SettingsDefinition> = {
  readonly [K in keyof D]: D[K] extends Setting<infer T> ? T : never
}

/** Settings are invalid. The message is one line that names each variable and what it should be, never a value. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly variables: readonly string[]

  constructor(problems: readonly { variable: string; message: string }[]) {
    super(problems.map(({ variable, message }) => `${variable} ${message}`).join('; '))
    this.variables = problems.map(({ variable }) => variable)
  }
}

/** Declares one setting. `schema` gets the variable's text, or undefined if it is unset or empty. */
export function setting<T>(schema: z.ZodType<T>, description: string, options: SettingOptions): Setting<T> {
  return { schema, description, ...options }
}

/** Declares a group of settings. Groups are combined by spreading them into a larger one. */
export function defineSettings<const D extends SettingsDefinition>(definition: D): D {
  return definition
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads and validates all settings.
 * @throws {SettingsError} naming every variable that is missing or invalid
 */
export function loadSettings<D extends SettingsDefinition>(
  definition: D,
  env: Environment = process.env,
): SettingsOf<D> {
  const production = env.NODE_ENV === 'production'
  const wellKnown = Object.values(definition).flatMap(wellKnownOf)
  const problems: { variable: string; message: string }[] = []
  const values: Record<string, unknown> = {}
  for (const [variable, declared] of Object.entries(definition)) {
    const read = readSetting(variable, declared, env, production, wellKnown)
    if ('problem' in read) problems.push({ variable, message: read.problem })
    else values[variable] = read.value
  }
  if (problems.length > 0) throw new SettingsError(problems)
  // Each value was parsed by the schema declared under its name, which is what SettingsOf states.
  return values as SettingsOf<D>
}

/** `loadSettings` for a main.ts: on an error, prints its line to stderr and exits with 78 (EX_CONFIG of sysexits.h). */
export function loadSettingsOrExit<D extends SettingsDefinition>(definition: D): SettingsOf<D> {
  try {
    return loadSettings(definition)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    exitWithSettingsError(error)
  }
}

/** Exits with code 78 (EX_CONFIG of sysexits.h) and a line on stderr that names the variables, never their values. */
export function exitWithSettingsError(error: SettingsError): never {
  process.stderr.write(`settings: ${error.message}\n`)
  process.exit(78)
}

function readSetting(
  variable: string,
  declared: Setting<unknown>,
  env: Environment,
  production: boolean,
  wellKnown: readonly string[],
): { value: unknown } | { problem: string } {
  // Compose files and shells turn an unset variable into an empty one.
  const given = env[variable] || undefined
  const { expected, alternativeTo, onlyWith, testOnly } = declared
  if (production && testOnly && given !== undefined) return { problem: 'is for tests only: it must not be set here' }
  if (given !== undefined && onlyWith !== undefined && !env[onlyWith]) {
    return { problem: `must not be set without ${onlyWith}` }
  }
  const replaced = alternativeTo !== undefined && Boolean(env[alternativeTo])
  if (replaced) {
    return given === undefined
      ? { value: undefined }
      : { problem: `must not be set together with ${alternativeTo}: set one of the two` }
  }
  const fallback = production ? declared.default : (declared.developmentDefault ?? declared.default)
  const text = given ?? fallback
  if (text === undefined && alternativeTo !== undefined) {
    return { problem: `is missing: it should be ${expected}, unless ${alternativeTo} is set` }
  }
  const parsed = declared.schema.safeParse(text)
  if (!parsed.success) return { problem: `${text === undefined ? 'is missing' : 'is wrong'}: it should be ${expected}` }
  const problem = production && text !== undefined ? weaknessOf(text, declared, wellKnown) : undefined
  return problem === undefined ? { value: parsed.data } : { problem }
}

/** Returns the publicly known secrets of a setting: the development default of a secret, or the password in that of a URL. */
function wellKnownOf({ secret, credential, developmentDefault }: Setting<unknown>): string[] {
  if (developmentDefault === undefined) return []
  if (secret) return [developmentDefault]
  return credential ? passwordIn(developmentDefault) : []
}

function passwordIn(url: string): string[] {
  const password = URL.parse(url)?.password
  return password ? [password] : []
}

/** Returns why a secret is too weak for production; undefined if it is not. */
function weaknessOf(
  text: string,
  { secret, credential, expected }: Setting<unknown>,
  wellKnown: readonly string[],
): string | undefined {
  if (credential && passwordIn(text).some((password) => wellKnown.includes(password))) {
    return 'has the password of a development default: in production it should have one of its own'
  }
  if (secret === undefined) return undefined
  if (wellKnown.includes(text)) return `has a development default: in production it should be ${expected}`
  if (text.length >= secret.minLength) return undefined
  return `is too short: in production it should have at least ${secret.minLength} characters`
}

/** Describes the default of a setting, in Markdown. */
export function describeDefault(declared: Setting<unknown>): string {
  const { default: general, developmentDefault, schema, alternativeTo } = declared
  const ends = general !== undefined ? `\`${general}\`` : schema.safeParse(undefined).success ? 'none' : 'required'
  const inProduction = alternativeTo !== undefined && general === undefined ? `required, or \`${alternativeTo}\`` : ends
  if (developmentDefault === undefined) return inProduction
  return `\`${developmentDefault}\` outside production; in production ${inProduction}`
}

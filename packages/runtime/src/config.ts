import type { z } from 'zod'

/** How one setting is declared. `T` is what the program sees after parsing. */
export interface Setting<T> {
  readonly schema: z.ZodType<T>
  /** What the setting is, for docs/CONFIG.md. */
  readonly description: string
  /** What a good value looks like; ends the sentence "it should be ...". Never a value of the setting itself. */
  readonly expected: string
  /** Used in every environment where nothing more fitting is given. */
  readonly default?: string
  /** Used outside production only, before `default`. */
  readonly developmentDefault?: string
  /** Marks a secret: in production the development default of any secret, and what is shorter than this, are refused. */
  readonly secret?: { readonly minLength: number }
  /**
   * Name of the setting that can take this one's place. With that one set, this one must not be set and reads as
   * `undefined` (its default is left out too); without it, this one is needed.
   */
  readonly alternativeTo?: string
  /** Name of the setting without which this one must not be set. */
  readonly onlyWith?: string
  /** Holds a credential whose strength is not ours to judge: a password in a URL, a key. To be kept as secrets are. */
  readonly credential?: boolean
  /** Breaks a promise on purpose, for tests: in production it must not be set. */
  readonly testOnly?: boolean
}

export type SettingOptions = Omit<Setting<unknown>, 'schema' | 'description'>
export type SettingsDefinition = Readonly<Record<string, Setting<unknown>>>
export type SettingsOf<D extends SettingsDefinition> = {
  readonly [K in keyof D]: D[K] extends Setting<infer T> ? T : never
}

/** The settings are wrong. The message is one line that names each variable and what it should be, never a value. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly variables: readonly string[]

  constructor(problems: readonly { variable: string; message: string }[]) {
    super(problems.map(({ variable, message }) => `${variable} ${message}`).join('; '))
    this.variables = problems.map(({ variable }) => variable)
  }
}

/** Declares one setting. `schema` gets the variable's text, or undefined when it is unset or empty. */
export function setting<T>(schema: z.ZodType<T>, description: string, options: SettingOptions): Setting<T> {
  return { schema, description, ...options }
}

/** Declares a group of settings; groups are put together by spreading them into a larger one. */
export function defineSettings<const D extends SettingsDefinition>(definition: D): D {
  return definition
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads and checks all settings at once.
 * @throws SettingsError naming every variable that is missing or wrong.
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
  // Each value came out of its own schema under its own name, which is what SettingsOf says.
  return values as SettingsOf<D>
}

/** `loadSettings` for a main.ts: prints the one line to stderr and ends the process with 78 (EX_CONFIG of sysexits.h). */
export function loadSettingsOrExit<D extends SettingsDefinition>(definition: D): SettingsOf<D> {
  try {
    return loadSettings(definition)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    exitWithSettingsError(error)
  }
}

/** Ends the process with code 78 (EX_CONFIG of sysexits.h) and a line that names the variables, never their values. */
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
  // An empty variable is what compose files and shells make of an unset one.
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

/** Secrets that everybody can read here: the development defaults of secrets, and the passwords in those of addresses. */
function wellKnownOf({ secret, credential, developmentDefault }: Setting<unknown>): string[] {
  if (developmentDefault === undefined) return []
  if (secret) return [developmentDefault]
  return credential ? passwordIn(developmentDefault) : []
}

function passwordIn(url: string): string[] {
  const password = URL.parse(url)?.password
  return password ? [password] : []
}

/** Why a secret is none that production can go by. */
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

/** What holds where a setting is not given, in words and Markdown. */
export function describeDefault(declared: Setting<unknown>): string {
  const { default: general, developmentDefault, schema, alternativeTo } = declared
  const ends = general !== undefined ? `\`${general}\`` : schema.safeParse(undefined).success ? 'none' : 'required'
  const inProduction = alternativeTo !== undefined && general === undefined ? `required, or \`${alternativeTo}\`` : ends
  if (developmentDefault === undefined) return inProduction
  return `\`${developmentDefault}\` outside production; in production ${inProduction}`
}

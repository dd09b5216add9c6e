import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { createLogger, loadSettings, parseTraceParent, SettingsError, tracingSettings } from '../src/index.ts'
import { openOtlp } from '../src/otlp.ts'

const run = promisify(execFile)

async function opened(...endpoint: string[]): Promise<{ loaded: number; tracer: boolean }> {
  const fixture = fileURLToPath(new URL('./fixtures/loads.ts', import.meta.url))
  return JSON.parse((await run(process.execPath, [fixture, ...endpoint])).stdout)
}

it('does not load OpenTelemetry’s SDK if tracing is off', async () => {
  expect(await opened()).toEqual({ loaded: 0, tracer: false })
  const { loaded, tracer } = await opened('http://127.0.0.1:9')
  expect([loaded > 10, tracer]).toEqual([true, true])
})

it.each(['while running', 'on exit'])('a process logs %s why a collector refuses its spans', async (when) => {
  const collector = createServer((request, response) => {
    request.resume().once('end', () => response.writeHead(401).end())
  })
  await once(collector.listen(0, '127.0.0.1'), 'listening')
  try {
    const told = Promise.withResolvers<string>()
    const logger = createLogger({ name: 'test', level: 'info', destination: { write: told.resolve } })
    const { port } = collector.address() as AddressInfo
    const endpoint = `http://127.0.0.1:${port}`
    const traces = openOtlp({ endpoint, serviceName: 'test', headers: { 'x-key': 'SECRET' }, ratio: 1, logger })
    traces.tracer?.start('work')?.end()
    if (when === 'on exit') await traces.stop()
    const line = await told.promise
    expect(line).toMatch(/Unauthorized.*spans could not be sent to the collector/)
    expect(line).not.toContain('SECRET')
    await traces.stop()
  } finally {
    collector.close()
  }
})

it('accepts a W3C traceparent and nothing else', () => {
  const good = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  expect(parseTraceParent(good)).toBe(good)
  for (const bad of [undefined, ['x'], '', 'x', good.toUpperCase(), `${good}-x`, `01${good.slice(2)}`]) {
    expect(parseTraceParent(bad)).toBeUndefined()
  }
  expect(parseTraceParent(`00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`)).toBeUndefined()
  expect(parseTraceParent(`00-${'a'.repeat(32)}-${'0'.repeat(16)}-01`)).toBeUndefined()
})

it('is off by default; headers and ratio have OpenTelemetry’s format', () => {
  expect(loadSettings(tracingSettings, {})).toEqual({
    OTEL_EXPORTER_OTLP_ENDPOINT: undefined,
    OTEL_EXPORTER_OTLP_HEADERS: {},
    OTEL_TRACES_SAMPLER_ARG: 1,
  })
  const given = { OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b, other=c', OTEL_TRACES_SAMPLER_ARG: '0.25' }
  expect(loadSettings(tracingSettings, given)).toMatchObject({
    OTEL_EXPORTER_OTLP_HEADERS: { 'x-key': 'a b', other: 'c' },
    OTEL_TRACES_SAMPLER_ARG: 0.25,
  })
  for (const wrong of [
    { OTEL_EXPORTER_OTLP_HEADERS: 'no pair' },
    { OTEL_EXPORTER_OTLP_HEADERS: 'x=%zz' },
    { OTEL_TRACES_SAMPLER_ARG: '1.5' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
  ]) {
    expect(() => loadSettings(tracingSettings, wrong)).toThrow(SettingsError)
  }
})

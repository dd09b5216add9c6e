import { expect, test } from 'vitest'
import { parseArguments, UsageError } from '../src/arguments.ts'

const defaults = { gateways: 2, port: 4000, fresh: false, demo: true, help: false }

test.each([
  [[], {}, defaults],
  [['--gateways', '5'], {}, { ...defaults, gateways: 5 }],
  [['--gateways=1', '--fresh'], {}, { ...defaults, gateways: 1, fresh: true }],
  [[], { PORT: '8080' }, { ...defaults, port: 8080 }],
  [[], { PORT: '' }, defaults],
  [['--port', '5000'], { PORT: '8080' }, { ...defaults, port: 5000 }],
  [['--port', '0'], {}, { ...defaults, port: 0 }],
  [['--no-demo'], {}, { ...defaults, demo: false }],
  [['-h'], {}, { ...defaults, help: true }],
])('%j with %j', (argv, env, expected) => {
  expect(parseArguments(argv, env)).toEqual(expected)
})

test.each([
  [['--gateway', '3'], {}, "Unknown option '--gateway'"],
  [['three'], {}, "Unexpected argument 'three'"],
  [['--gateways'], {}, '--gateways'],
  [['--gateways', '0'], {}, '--gateways is a whole number from 1 to 16, not "0"'],
  [['--gateways', '17'], {}, '--gateways is a whole number from 1 to 16, not "17"'],
  [['--port', '70000'], {}, '--port is a whole number from 0 to 65535, not "70000"'],
  [['--port', '4e3'], {}, '--port is a whole number'],
  [[], { PORT: 'http' }, 'PORT is a whole number from 0 to 65535, not "http"'],
])('%j with %j is refused', (argv, env, message) => {
  const parse = () => parseArguments(argv, env)
  expect(parse).toThrow(UsageError)
  expect(parse).toThrow(message)
})

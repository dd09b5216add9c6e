import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest'
import { directTests } from './direct.ts'
import { faultTests } from './faults.ts'
import { fileTests } from './files.ts'
import { groupTests } from './groups.ts'
import { historyTests } from './history.ts'
import { looksTests } from './looks.ts'
import { pushTests } from './push.ts'
import { signInTests } from './sign-in.ts'
import { type Stage, startStage } from './stage.ts'

// One file, so that all tests share one cluster and one browser, which take longer to start than the tests take.
let stage: Stage
beforeAll(async () => {
  stage = await startStage()
}, 240_000)
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
})
afterEach(async () => {
  expect(await stage.leave()).toEqual([])
})

const shared = () => stage
describe('signing in', () => signInTests(shared))
describe('direct chats', () => directTests(shared))
describe('groups', () => groupTests(shared))
describe('files', () => fileTests(shared))
describe('faults', () => faultTests(shared))
describe('history', () => historyTests(shared))
describe('looks', () => looksTests(shared))
describe('notifications', () => pushTests(shared))

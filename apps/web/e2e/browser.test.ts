import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest'
import { signInTests } from './sign-in.ts'
import { type Stage, startStage } from './stage.ts'

// One file, so that all tests share one cluster and one browser: starting those takes longer than the tests do.
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

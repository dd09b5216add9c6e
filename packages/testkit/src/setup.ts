import { afterEach } from 'vitest'
import { forgetEndedLogs, printLogs } from './logs.ts'

// Runs in every test file: shows what the processes wrote when a test has failed.
afterEach(({ task }) => {
  if (task.result?.state === 'fail') printLogs(`test failed: ${task.name}`)
  forgetEndedLogs()
})

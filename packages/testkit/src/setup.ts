import { afterEach } from 'vitest'
import { forgetEndedLogs, printLogs } from './logs.ts'

// Runs in every test file: prints the logs of the processes after a failed test.
afterEach(({ task }) => {
  if (task.result?.state === 'fail') printLogs(`test failed: ${task.name}`)
  forgetEndedLogs()
})

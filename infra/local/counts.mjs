/**
 * Counts passed and failed tests in a Vitest report. A file that could not be loaded counts as one failure.
 * @param {string} json the report in Jest's format; empty if Vitest did not get to write one
 */
export function countTests(json) {
  if (json === '') return { passed: 0, failed: 1 }
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(json)
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  return { passed: numPassedTests, failed: numFailedTests + broken.length }
}

/**
 * Counts what Vitest reports. A file that could not be loaded counts as one failure.
 * @param {string} json its report in Jest's format; empty when it did not come to write one
 */
export function countTests(json) {
  if (json === '') return { passed: 0, failed: 1 }
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(json)
  const broken = testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  )
  return { passed: numPassedTests, failed: numFailedTests + broken.length }
}

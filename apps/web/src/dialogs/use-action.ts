import { useState } from 'react'
import { problemOf } from '../text/problems.ts'

/** Tracks an action on the server: whether it is running, and what went wrong with the last one. */
export function useAction(): {
  busy: boolean
  problem: string | null
  /** Resolves to whether it succeeded. */
  run: (work: () => Promise<unknown>) => Promise<boolean>
} {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const run = async (work: () => Promise<unknown>) => {
    setBusy(true)
    setProblem(null)
    try {
      await work()
      return true
    } catch (error) {
      setProblem(problemOf(error))
      return false
    } finally {
      setBusy(false)
    }
  }
  return { busy, problem, run }
}

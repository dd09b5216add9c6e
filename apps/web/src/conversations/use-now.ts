import { useEffect, useState } from 'react'

/** Returns the current time, updated every `ms` milliseconds, for relative times and days. */
export function useNow(ms: number): Date {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), ms)
    return () => clearInterval(timer)
  }, [ms])
  return now
}

import { useEffect, useState } from 'react'

/** The time, anew every `ms` milliseconds: what is said of days and minutes grows old. */
export function useNow(ms: number): Date {
  const [now, setNow] = useState(() => new Date())
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), ms)
    return () => clearInterval(timer)
  }, [ms])
  return now
}

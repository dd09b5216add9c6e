/**
 * Planner settings for every connection. All statements here look up rows by key, few or many, so each has one plan that is
 * good for any parameters and any table size. By default Postgres plans a statement with list parameters anew on each call,
 * since it overestimates the cost of a generic plan: for one person, planning takes two to five times as long as execution.
 * The generic plan is kept, so it must not be one that only suits a table that is small today: hence no sequential scans and
 * no hash or merge joins. docs/PERFORMANCE.md, "Plans that are kept", has the figures; packages/messaging/test/plans.test.ts
 * checks every plan.
 */
export const PLANNER_OPTIONS = [
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  // Before Postgres 18, an unavoidable sequential scan gets such a high estimate from this that it would be JIT-compiled.
  'jit=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ')

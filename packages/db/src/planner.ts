/**
 * Settings of each connection. All statements here look up rows by key, few or many: there is one good plan for each, whatever
 * it is asked about and however full the tables are. Left to itself Postgres plans a statement that takes lists anew each time,
 * as a plan for any list seems dear to it: two to five times what it takes to run one that is asked about one person. The plan
 * is kept, so it must not be one that only suits a table which is small today: hence no whole tables and no hashes of them. Figures
 * in docs/PERFORMANCE.md, "Plans that are kept"; packages/messaging/test/plans.test.ts looks at each.
 */
export const PLANNER_OPTIONS = [
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  // Before Postgres 18 a whole table that cannot be done without costs so much on paper then that it would be compiled.
  'jit=off',
]
  .map((setting) => `-c ${setting}`)
  .join(' ')

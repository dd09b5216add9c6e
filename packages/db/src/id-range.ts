/** The lowest and the highest UUID, as bounds of open-ended ranges; no row has either. */
export const FIRST_ID = '00000000-0000-0000-0000-000000000000'
export const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

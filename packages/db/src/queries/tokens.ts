import type { Queryable } from '../pool.ts'

/** From when on the tokens of these people are good; those of whom none were revoked are left out. */
export async function findTokensValidFrom(
  db: Queryable,
  userIds: readonly string[],
): Promise<{ id: string; tokens_valid_from: string }[]> {
  const { rows } = await db.query<{ id: string; tokens_valid_from: string }>({
    name: 'find_tokens_valid_from',
    text: 'select id, tokens_valid_from from users where id = any ($1::text[]) and tokens_valid_from is not null',
    values: [userIds],
  })
  return rows
}

/** Refuses a person's tokens issued before `before`. Never moves backwards. @returns the moment that holds now */
export async function revokeTokens(db: Queryable, userId: string, before: string): Promise<string | undefined> {
  const { rows } = await db.query<{ tokens_valid_from: string }>({
    name: 'revoke_tokens',
    text: `update users set tokens_valid_from = greatest(tokens_valid_from, $2::timestamptz) where id = $1
      returning tokens_valid_from`,
    values: [userId, before],
  })
  return rows[0]?.tokens_valid_from
}

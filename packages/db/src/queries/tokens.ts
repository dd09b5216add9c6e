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

/**
 * Refuses a person's tokens issued before `before`, and forgets the devices that were registered with them. Never moves backwards.
 * The devices are locked in the order of their ids, as by recordShown().
 * @returns the moment that holds now
 */
export async function revokeTokens(db: Queryable, userId: string, before: string): Promise<string | undefined> {
  const { rows } = await db.query<{ tokens_valid_from: string }>({
    name: 'revoke_tokens',
    text: `
      with revoked as (
        update users set tokens_valid_from = greatest(tokens_valid_from, $2::timestamptz) where id = $1
        returning id, tokens_valid_from
      ), forgotten as (
        delete from push_subscriptions where id = any (array(
          select s.id from revoked r cross join lateral (
            select id from push_subscriptions where user_id = r.id and created_at < r.tokens_valid_from order by id for update
          ) s
        ))
      )
      select tokens_valid_from from revoked`,
    values: [userId, before],
  })
  return rows[0]?.tokens_valid_from
}

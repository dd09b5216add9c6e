import type { Queryable } from '../pool.ts'

/** Returns since when these people's tokens are valid; leaves out those whose tokens were never revoked. */
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
 * Revokes a person's tokens issued before `before` (null: now, by the clock of Postgres), and deletes the devices registered
 * before then. Never moves backwards. Locks the devices in the order of their ids, as does recordShown().
 * @returns since when the person's tokens are valid now; undefined if there is no such person
 */
export async function revokeTokens(db: Queryable, userId: string, before: string | null): Promise<string | undefined> {
  const { rows } = await db.query<{ tokens_valid_from: string }>({
    name: 'revoke_tokens',
    text: `
      with revoked as (
        update users set tokens_valid_from = greatest(tokens_valid_from, coalesce($2::timestamptz, clock_timestamp()))
        where id = $1
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

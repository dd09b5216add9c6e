-- What the worker does to every message, as functions that keep their plan (see 0007_plans_for_young_tables). As plain
-- statements they were planned on a young table as a hash join over all of messages, and the worker's connections kept that
-- while the table grew. A subquery with OFFSET 0 or an order stays the inner side of its loop: of a young table it would be the
-- outer one otherwise.

-- The messages of some rows of the outbox, in key order, those left out that are deleted. Those that follow each other in a
-- conversation are a run, read by one descent of the index; nothing else is in it, such as what is not published yet:
--   Nested Loop
--     -> Sort of the runs: outbox by outbox_pkey, unnest, WindowAgg, HashAggregate
--     -> Index Scan using messages_conversation_id_seq_pk, for each run
-- The order is that of the loop: another sort would be of whole messages.
CREATE FUNCTION outbox_messages(p_ids bigint[]) RETURNS TABLE (
  conversation_id uuid, seq bigint, id uuid, sender_id text, type message_type, content text, attachments jsonb,
  created_at timestamptz
) LANGUAGE plpgsql STABLE
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT m.conversation_id, m.seq, m.id, m.sender_id, m.type, m.content, m.attachments, m.created_at
  FROM (
    SELECT conversation_id, min(seq) AS from_seq, max(seq) AS to_seq
    FROM (
      SELECT k.conversation_id, k.seq,
        k.seq - row_number() OVER (PARTITION BY k.conversation_id ORDER BY k.seq) AS run
      FROM outbox o
      CROSS JOIN LATERAL unnest(o.conversation_ids, o.seqs) AS k (conversation_id, seq)
      WHERE o.id = ANY (p_ids)
    ) k
    GROUP BY conversation_id, run ORDER BY conversation_id, from_seq
  ) r
  CROSS JOIN LATERAL (
    SELECT * FROM messages w
    WHERE w.conversation_id = r.conversation_id AND w.seq BETWEEN r.from_seq AND r.to_seq AND w.deleted_at IS NULL
    ORDER BY w.seq
  ) m;
END $$;--> statement-breakpoint

-- Puts messages into the search index, places included, or anew where they are in it; one that is deleted by now, or not
-- there, is left out. p_new: they are hardly ever in it and inserted as if they never were, which spares the look for each.
-- They come in key order and are inserted in it: two who do the same never wait for each other in a circle.
CREATE FUNCTION index_messages(p_conversation_ids uuid[], p_seqs bigint[], p_terms tsvector[], p_new boolean)
RETURNS void LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off
AS $$
BEGIN
  IF p_new THEN
    BEGIN
      INSERT INTO message_search (conversation_id, seq, sent_at, terms)
      SELECT i.conversation_id, i.seq, m.created_at, i.terms
      FROM unnest(p_conversation_ids, p_seqs, p_terms) AS i (conversation_id, seq, terms)
      CROSS JOIN LATERAL (
        SELECT w.created_at FROM messages w
        WHERE w.conversation_id = i.conversation_id AND w.seq = i.seq AND w.deleted_at IS NULL OFFSET 0
      ) m;
      RETURN;
    EXCEPTION WHEN unique_violation THEN
      NULL;
    END;
  END IF;
  INSERT INTO message_search AS s (conversation_id, seq, sent_at, terms)
  SELECT i.conversation_id, i.seq, m.created_at, i.terms
  FROM unnest(p_conversation_ids, p_seqs, p_terms) AS i (conversation_id, seq, terms)
  CROSS JOIN LATERAL (
    SELECT w.created_at FROM messages w
    WHERE w.conversation_id = i.conversation_id AND w.seq = i.seq AND w.deleted_at IS NULL OFFSET 0
  ) m
  ON CONFLICT (conversation_id, seq) DO UPDATE SET sent_at = excluded.sent_at, terms = excluded.terms
    WHERE (s.sent_at, s.terms) IS DISTINCT FROM (excluded.sent_at, excluded.terms);
END $$;
--> statement-breakpoint

-- As in 0004_push. What is new: each mark looks up its own rows of push_shown. Planned while that table was empty, it was a
-- walk over all of it for every batch of messages, and stayed so in connections that went on while it grew.
CREATE OR REPLACE FUNCTION note_push_closings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO push_closings (conversation_id, user_id)
  SELECT DISTINCT p.conversation_id, p.user_id
  FROM changed p
  CROSS JOIN LATERAL (
    SELECT s.seq FROM push_shown s WHERE s.conversation_id = p.conversation_id AND s.user_id = p.user_id OFFSET 0
  ) s
  WHERE p.last_read_seq >= s.seq OR p.left_at IS NOT NULL;
  RETURN NULL;
END $$;

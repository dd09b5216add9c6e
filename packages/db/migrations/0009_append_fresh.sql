-- Where a client gave no id of its own none is stored and none is indexed; what is shown then is the message's own id.
--
-- On a large table build the index beforehand, while everything runs; this migration then finds it and takes no time:
--   CREATE UNIQUE INDEX CONCURRENTLY messages_client_id
--     ON messages (conversation_id, sender_id, client_message_id) WHERE client_message_id IS NOT NULL;
-- Built here, it holds up all sends until it is done. Reads go on: what locks them out comes after it and is done at once.
CREATE UNIQUE INDEX IF NOT EXISTS "messages_client_id" ON "messages" USING btree ("conversation_id","sender_id","client_message_id") WHERE "messages"."client_message_id" is not null;--> statement-breakpoint
DO $$ BEGIN
  IF NOT (SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = 'messages_client_id'::regclass) THEN
    RAISE EXCEPTION 'the index messages_client_id was not built to its end: drop it, and build it again or leave it to this migration';
  END IF;
END $$;--> statement-breakpoint
DROP INDEX "messages_client_message_id";--> statement-breakpoint
ALTER TABLE "messages" ALTER COLUMN "client_message_id" DROP NOT NULL;--> statement-breakpoint

-- Stores a batch in which every message is new and every sender a member: the usual one, and nothing but that. Anything
-- else ends in an error that takes all of it back, PY001 from here or a unique violation, and the caller hands the same
-- batch to append_messages(). What depends on the batch alone is worked out by the caller (queries/append-fresh.ts), so
-- that no window, sort or probe for old messages is left here: half of what append_messages() costs.
--
-- p_ids are the conversations, each once, IN THE ORDER OF THEIR IDS, and p_counts how many messages each gets. A message is
-- told by its place (which of the conversations, from 1) and its rank (which of that one's messages, from 1); a mark is
-- the highest rank of one sender in one conversation. p_client_ids, p_types and p_attachments are null where no message
-- has any, and so is the type of a TEXT.
--
-- The first statement locks as well as counts. Its order is that of p_ids: with the settings below the only plans left
-- are a walk along p_ids and one along the primary key, so that two batches never wait for each other in a circle. What
-- follows sees all that was committed before the locks were granted; see 0001_append_and_read. force_generic_plan:
-- otherwise small batches are planned anew each time, which costs more than running them.
--
-- Returns seq, rev and created_at (microseconds since 1970) that each conversation's message of rank 0 would have: all
-- seqs, then all revs, then all times.
CREATE FUNCTION append_fresh(
  p_ids uuid[], p_counts int[], p_mark_places int[], p_mark_users text[], p_mark_ranks int[],
  p_places int[], p_ranks int[], p_message_ids uuid[], p_senders text[], p_contents text[],
  p_client_ids text[], p_types text[], p_attachments text[], p_origin text, p_batch bigint
) RETURNS bigint[]
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  c_step CONSTANT interval := interval '1 microsecond';
  v_seqs bigint[];
  v_revs bigint[];
  v_times timestamptz[];
  v_micros bigint[];
  v_marked int;
BEGIN
  WITH counted AS (
    UPDATE conversations c SET last_seq = c.last_seq + i.n, rev = c.rev + i.n,
      -- Rises with seq even when the clock does not: by a microsecond for each message.
      last_message_at = greatest(clock_timestamp(), c.last_message_at + c_step) + (i.n - 1) * c_step
    FROM unnest(p_ids, p_counts) WITH ORDINALITY AS i (id, n, place)
    WHERE c.id = i.id
    RETURNING i.place, c.last_seq - i.n AS seq, c.rev - i.n AS rev, c.last_message_at - i.n * c_step AS at
  )
  SELECT array_agg(seq ORDER BY place), array_agg(rev ORDER BY place), array_agg(at ORDER BY place),
    array_agg((extract(epoch FROM at) * 1000000)::bigint ORDER BY place)
  INTO v_seqs, v_revs, v_times, v_micros FROM counted;
  -- With one missing, those after it would not be at their places.
  IF cardinality(v_seqs) IS DISTINCT FROM cardinality(p_ids) THEN
    RAISE EXCEPTION USING ERRCODE = 'PY001', MESSAGE = 'there is no such conversation';
  END IF;

  UPDATE participants p SET last_read_seq = v_seqs[m.place] + m.rank, rev = v_revs[m.place] + m.rank,
    last_read_at = v_times[m.place] + m.rank * c_step
  FROM unnest(p_mark_places, p_mark_users, p_mark_ranks) AS m (place, user_id, rank)
  WHERE p.conversation_id = p_ids[m.place] AND p.user_id = m.user_id AND p.left_at IS NULL;
  GET DIAGNOSTICS v_marked = ROW_COUNT;
  IF v_marked <> cardinality(p_mark_places) THEN
    RAISE EXCEPTION USING ERRCODE = 'PY001', MESSAGE = 'a sender is not a member';
  END IF;

  IF p_attachments IS NOT NULL AND cardinality(claim_attachments(
    ARRAY(SELECT p_ids[place] FROM unnest(p_places) AS place), p_senders, p_client_ids, p_message_ids, p_attachments
  )) <> cardinality(array_remove(p_attachments, NULL)) THEN
    RAISE EXCEPTION USING ERRCODE = 'PY001', MESSAGE = 'attachments are not to be had';
  END IF;

  WITH stored AS (
    INSERT INTO messages
      (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, attachments, created_at)
    SELECT p_ids[m.place], v_seqs[m.place] + m.rank, m.id, v_revs[m.place] + m.rank, m.sender_id, m.client_id, m.content,
      coalesce(m.type::message_type, 'TEXT'), m.attachments::jsonb, v_times[m.place] + m.rank * c_step
    FROM unnest(p_places, p_ranks, p_message_ids, p_senders, p_contents, p_client_ids, p_types, p_attachments)
      AS m (place, rank, id, sender_id, content, client_id, type, attachments)
    RETURNING conversation_id, seq
  )
  INSERT INTO outbox (origin, batch, conversation_ids, seqs)
  SELECT p_origin, p_batch, array_agg(conversation_id), array_agg(seq) FROM stored;

  RETURN v_seqs || v_revs || v_micros;
END $$;--> statement-breakpoint

-- As in 0005_attachments. What is new: a message without a client's id is known by its own (its statement may be sent once
-- more when nobody knows how it ended), and a member is looked up by the whole key even in a group of thousands.
CREATE OR REPLACE FUNCTION append_messages(
  p_conversation_ids uuid[], p_sender_ids text[], p_client_message_ids text[], p_ids uuid[], p_contents text[],
  p_types text[], p_attachments text[], p_systems text[], p_origin text, p_batch bigint
) RETURNS TABLE (ord bigint, fresh boolean, id uuid, seq bigint, rev bigint, created_at timestamptz)
LANGUAGE plpgsql SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
  v_claimed bigint[] := '{}';  -- ord of the messages whose attachments are theirs now
BEGIN
  PERFORM 1 FROM conversations c WHERE c.id = ANY (p_conversation_ids) ORDER BY c.id FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM unnest(p_attachments) AS a WHERE a IS NOT NULL) THEN
    v_claimed := claim_attachments(p_conversation_ids, p_sender_ids, p_client_message_ids, p_ids, p_attachments);
  END IF;
  v_now := clock_timestamp();
  RETURN QUERY
  WITH input AS (
    SELECT * FROM unnest(
      p_conversation_ids, p_sender_ids, p_client_message_ids, p_ids, p_contents, p_types, p_attachments, p_systems
    ) WITH ORDINALITY AS t (conversation_id, sender_id, client_message_id, id, content, type, attachments, system, ord)
  ), known AS (
    SELECT i.ord, m.id, m.seq, m.rev, m.created_at
    FROM input i
    JOIN messages m ON m.conversation_id = i.conversation_id
      AND m.sender_id = i.sender_id AND m.client_message_id = i.client_message_id
    UNION ALL
    SELECT i.ord, m.id, m.seq, m.rev, m.created_at
    FROM input i
    JOIN messages m ON m.conversation_id = i.conversation_id AND m.id = i.id
    WHERE i.client_message_id IS NULL
  ), numbered AS (
    SELECT i.*, c.last_seq + row_number() OVER w AS seq, c.rev + row_number() OVER w AS rev,
      -- Rises with seq even when the clock does not: by a microsecond for each message.
      greatest(v_now, c.last_message_at + interval '1 microsecond')
        + (row_number() OVER w - 1) * interval '1 microsecond' AS created_at
    FROM input i
    JOIN conversations c ON c.id = i.conversation_id
    CROSS JOIN LATERAL (
      SELECT FROM participants p
      WHERE p.conversation_id = i.conversation_id AND p.user_id = i.sender_id AND p.left_at IS NULL
      OFFSET 0  -- kept apart, or it may be joined by conversation alone and filtered by person
    ) member
    WHERE NOT EXISTS (SELECT FROM known k WHERE k.ord = i.ord) AND (i.attachments IS NULL OR i.ord = ANY (v_claimed))
    WINDOW w AS (PARTITION BY i.conversation_id ORDER BY i.ord)
  ), counted AS (
    UPDATE conversations c SET last_seq = n.seq, rev = n.rev, last_message_at = n.created_at
    FROM (SELECT conversation_id, max(seq) AS seq, max(rev) AS rev, max(created_at) AS created_at
          FROM numbered GROUP BY conversation_id) n
    WHERE c.id = n.conversation_id
  ), inserted AS (
    INSERT INTO messages
      (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, attachments, system, created_at)
    SELECT conversation_id, seq, id, rev, sender_id, client_message_id, content, type::message_type,
      attachments::jsonb, system::jsonb, created_at
    FROM numbered
  ), marked AS (
    UPDATE participants p SET last_read_seq = n.seq, last_read_at = n.created_at, rev = n.rev
    FROM (SELECT conversation_id, sender_id, max(seq) AS seq, max(rev) AS rev, max(created_at) AS created_at
          FROM numbered GROUP BY conversation_id, sender_id) n
    WHERE p.conversation_id = n.conversation_id AND p.user_id = n.sender_id
  ), queued AS (
    INSERT INTO outbox (origin, batch, conversation_ids, seqs)
    SELECT p_origin, p_batch, array_agg(conversation_id ORDER BY ord), array_agg(seq ORDER BY ord)
    FROM numbered HAVING count(*) > 0
  )
  SELECT ord, true, id, seq, rev, created_at FROM numbered
  UNION ALL
  SELECT ord, false, id, seq, rev, created_at FROM known;
END $$;

-- Rows of these two are updated for every message and every read mark, none of the updated columns is indexed, and so
-- the updates stay on their page (HOT) where the page has room.
ALTER TABLE conversations SET (fillfactor = 60);--> statement-breakpoint
ALTER TABLE participants SET (fillfactor = 60);--> statement-breakpoint

-- Stores a batch of messages of any conversations: the heart of the write path.
--
-- All arrays have the same length; element n of each describes message n. (conversation, sender, client message id) must
-- not occur twice in a batch: the caller has merged such twins. One row comes back for each message that is now stored,
-- new or stored before (`fresh` says which); none for a sender who is not a member.
--
-- The locks come first, in id order, so that two batches never wait for each other in a circle. In a function, under
-- read committed, each statement sees what was committed before it began: what the second statement reads of a locked
-- conversation (its counters, members and messages) is current and stays so until commit. Hence no gap in seq, no
-- duplicate, and no message from somebody who was removed a moment ago, with no retry loop anywhere.
CREATE FUNCTION append_messages(
  p_conversation_ids uuid[], p_sender_ids text[], p_client_message_ids text[], p_ids uuid[], p_contents text[],
  p_types text[], p_attachments text[], p_systems text[], p_origin text, p_batch bigint
) RETURNS TABLE (ord bigint, fresh boolean, id uuid, seq bigint, rev bigint, created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
BEGIN
  PERFORM 1 FROM conversations c WHERE c.id = ANY (p_conversation_ids) ORDER BY c.id FOR NO KEY UPDATE;
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
  ), numbered AS (
    SELECT i.*, c.last_seq + row_number() OVER w AS seq, c.rev + row_number() OVER w AS rev,
      -- Rises with seq even when the clock does not: by a microsecond for each message.
      greatest(v_now, c.last_message_at + interval '1 microsecond')
        + (row_number() OVER w - 1) * interval '1 microsecond' AS created_at
    FROM input i
    JOIN conversations c ON c.id = i.conversation_id
    JOIN participants p ON p.conversation_id = i.conversation_id AND p.user_id = i.sender_id AND p.left_at IS NULL
    WHERE NOT EXISTS (SELECT FROM known k WHERE k.ord = i.ord)
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
END $$;--> statement-breakpoint

-- Moves a batch of read marks forward. Element n of each array asks: this person has read up to this message. One row
-- comes back for each: `seq` is null where there is no such message, and there is no row where the person is not a
-- member. `advanced` is true where the mark moved; only then was anything written.
CREATE FUNCTION mark_read(p_conversation_ids uuid[], p_user_ids text[], p_message_ids uuid[])
RETURNS TABLE (ord bigint, seq bigint, advanced boolean, rev bigint, read_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
BEGIN
  PERFORM 1 FROM conversations c WHERE c.id = ANY (p_conversation_ids) ORDER BY c.id FOR NO KEY UPDATE;
  v_now := clock_timestamp();
  RETURN QUERY
  WITH input AS (
    SELECT i.ord, i.conversation_id, i.user_id, m.seq, p.last_read_seq, p.rev AS old_rev, p.last_read_at
    FROM unnest(p_conversation_ids, p_user_ids, p_message_ids) WITH ORDINALITY
      AS i (conversation_id, user_id, message_id, ord)
    JOIN participants p ON p.conversation_id = i.conversation_id AND p.user_id = i.user_id AND p.left_at IS NULL
    LEFT JOIN messages m ON m.conversation_id = i.conversation_id AND m.id = i.message_id
  ), moved AS (
    SELECT i.conversation_id, i.user_id, max(i.seq) AS seq,
      max(c.rev) + row_number() OVER (PARTITION BY i.conversation_id ORDER BY i.user_id) AS rev,
      v_now AS read_at
    FROM input i JOIN conversations c ON c.id = i.conversation_id
    WHERE i.seq > i.last_read_seq
    GROUP BY i.conversation_id, i.user_id
  ), counted AS (
    UPDATE conversations c SET rev = m.rev
    FROM (SELECT conversation_id, max(rev) AS rev FROM moved GROUP BY conversation_id) m
    WHERE c.id = m.conversation_id
  ), marked AS (
    UPDATE participants p SET last_read_seq = m.seq, last_read_at = m.read_at, rev = m.rev
    FROM moved m WHERE p.conversation_id = m.conversation_id AND p.user_id = m.user_id
  )
  SELECT i.ord, i.seq, coalesce(m.seq = i.seq, false), coalesce(m.rev, i.old_rev),
    coalesce(m.read_at, i.last_read_at, v_now)
  FROM input i
  LEFT JOIN moved m ON m.conversation_id = i.conversation_id AND m.user_id = i.user_id;
END $$;--> statement-breakpoint

-- The seq of the newest message stored before a moment, 0 if there is none. created_at rises strictly with seq and seq
-- has no gap, so this halves the range by primary key: 20 probes in a million messages, and no index on created_at to
-- keep up with every insert.
CREATE FUNCTION seq_before(p_conversation_id uuid, p_before timestamptz, p_last_seq bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
  low bigint := 0;            -- stored before p_before, or 0
  high bigint := p_last_seq + 1;  -- not stored before it, or past the end
  middle bigint;
BEGIN
  WHILE high - low > 1 LOOP
    middle := (low + high) / 2;
    IF (SELECT m.created_at < p_before FROM messages m WHERE m.conversation_id = p_conversation_id AND m.seq = middle) THEN
      low := middle;
    ELSE
      high := middle;
    END IF;
  END LOOP;
  RETURN low;
END $$;

-- As in 0009_append_fresh. What is new: a change that a server of the product makes in somebody's name moves no read mark.
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
          FROM numbered WHERE system IS NULL OR system::jsonb -> 'byService' IS NULL
          GROUP BY conversation_id, sender_id) n
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

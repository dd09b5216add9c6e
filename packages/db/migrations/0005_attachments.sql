CREATE TYPE "attachment_state" AS ENUM('UPLOADING', 'READY', 'CLAIMED', 'DELETING');--> statement-breakpoint
CREATE TABLE "attachments" (
	"id" uuid PRIMARY KEY NOT NULL,
	"conversation_id" uuid NOT NULL,
	"uploader_id" text NOT NULL,
	"state" "attachment_state" DEFAULT 'UPLOADING' NOT NULL,
	"file_name" text NOT NULL,
	"file_size" bigint DEFAULT 0 NOT NULL,
	"file_type" text,
	"width" integer,
	"height" integer,
	"preview" text,
	"upload_id" text,
	"message_id" uuid,
	"created_at" timestamptz DEFAULT now() NOT NULL,
	CONSTRAINT "claimed_by_message" CHECK (("attachments"."state" = 'CLAIMED') = ("attachments"."message_id" is not null))
);
--> statement-breakpoint
CREATE INDEX "attachments_unclaimed" ON "attachments" USING btree ("created_at") WHERE state <> 'CLAIMED';--> statement-breakpoint
CREATE INDEX "attachments_unclaimed_uploader" ON "attachments" USING btree ("uploader_id") WHERE state <> 'CLAIMED';--> statement-breakpoint

-- Gives attachments to the messages of a batch that name them, and returns the `ord` of the messages that got all they
-- name. Only append_messages() calls this, under the locks of the conversations and in its transaction: a message and its
-- claims are committed together or not at all, and whatever dies in between leaves the attachments READY, for a retry or for
-- the clean-up. A message gets its attachments if each is its sender's own, finished, of this conversation, and named by
-- no message before it; the row locks settle two messages that name the same one, as well as a message and the clean-up.
-- Messages that are stored already, and those of people who are not members, take nothing.
CREATE FUNCTION claim_attachments(
  p_conversation_ids uuid[], p_sender_ids text[], p_client_message_ids text[], p_ids uuid[], p_attachments text[]
) RETURNS bigint[]
LANGUAGE plpgsql AS $$
DECLARE
  v_claimed bigint[];
BEGIN
  -- In id order, after the conversations: nobody waits in a circle. Other takers of these locks hold nothing else.
  PERFORM 1 FROM attachments a
  WHERE a.id IN (
    SELECT (e ->> 'id')::uuid FROM unnest(p_attachments) AS t, jsonb_array_elements(t::jsonb) AS e
  ) ORDER BY a.id FOR UPDATE;
  -- A statement of its own: it sees what was committed before the locks were granted.
  WITH wanted AS (
    SELECT i.ord, i.conversation_id, i.sender_id, i.id, (e ->> 'id')::uuid AS attachment_id
    FROM unnest(p_conversation_ids, p_sender_ids, p_client_message_ids, p_ids, p_attachments) WITH ORDINALITY
      AS i (conversation_id, sender_id, client_message_id, id, attachments, ord)
    CROSS JOIN jsonb_array_elements(i.attachments::jsonb) AS e
    WHERE EXISTS (
      SELECT FROM participants p
      WHERE p.conversation_id = i.conversation_id AND p.user_id = i.sender_id AND p.left_at IS NULL
    ) AND NOT EXISTS (
      SELECT FROM messages m WHERE m.conversation_id = i.conversation_id
        AND m.sender_id = i.sender_id AND m.client_message_id = i.client_message_id
    )
  ), served AS (
    SELECT w.ord FROM (SELECT *, min(ord) OVER (PARTITION BY attachment_id) AS first_ord FROM wanted) w
    LEFT JOIN attachments a ON a.id = w.attachment_id AND a.conversation_id = w.conversation_id
      AND a.uploader_id = w.sender_id AND a.state = 'READY'
    GROUP BY w.ord HAVING bool_and(a.id IS NOT NULL AND w.ord = w.first_ord)
  ), taken AS (
    UPDATE attachments a SET state = 'CLAIMED', message_id = w.id
    FROM wanted w JOIN served USING (ord) WHERE a.id = w.attachment_id
    RETURNING w.ord
  )
  SELECT coalesce(array_agg(DISTINCT taken.ord), '{}') INTO v_claimed FROM taken;
  RETURN v_claimed;
END $$;--> statement-breakpoint

-- As in 0001_append_and_read, where it is explained; what is new is that no row comes back either for a message that
-- names attachments which it cannot have. A batch without attachments pays one look at an array for it.
CREATE OR REPLACE FUNCTION append_messages(
  p_conversation_ids uuid[], p_sender_ids text[], p_client_message_ids text[], p_ids uuid[], p_contents text[],
  p_types text[], p_attachments text[], p_systems text[], p_origin text, p_batch bigint
) RETURNS TABLE (ord bigint, fresh boolean, id uuid, seq bigint, rev bigint, created_at timestamptz)
LANGUAGE plpgsql AS $$
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
  ), numbered AS (
    SELECT i.*, c.last_seq + row_number() OVER w AS seq, c.rev + row_number() OVER w AS rev,
      -- Rises with seq even when the clock does not: by a microsecond for each message.
      greatest(v_now, c.last_message_at + interval '1 microsecond')
        + (row_number() OVER w - 1) * interval '1 microsecond' AS created_at
    FROM input i
    JOIN conversations c ON c.id = i.conversation_id
    JOIN participants p ON p.conversation_id = i.conversation_id AND p.user_id = i.sender_id AND p.left_at IS NULL
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

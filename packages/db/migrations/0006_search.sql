CREATE TABLE "message_search" (
	"conversation_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"sent_at" timestamptz NOT NULL,
	"terms" "tsvector" NOT NULL,
	CONSTRAINT "message_search_conversation_id_seq_pk" PRIMARY KEY("conversation_id","seq")
);
--> statement-breakpoint
CREATE INDEX "message_search_terms" ON "message_search" USING gin ("terms") WITH (fastupdate=false);--> statement-breakpoint
-- Their lexemes are all different and plans do not depend on them.
ALTER TABLE message_search ALTER COLUMN terms SET STATISTICS 0;--> statement-breakpoint

-- Where in the index the terms of a conversation's slice (a run of neighbouring messages) are: six characters that stand
-- before each of its terms. Terms of a place are neighbours in the index and those of other conversations are elsewhere,
-- so that neither a word nor the beginning of one is ever looked up among messages that the asker may not see. Two places
-- in 2^36 may coincide; who looks checks the conversation's id.
CREATE FUNCTION search_place(p_conversation_id uuid, p_slice bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN left(encode(sha256(uuid_send(p_conversation_id) || int8send(p_slice)), 'base64'), 6);--> statement-breakpoint

-- All matches within some slices. p_query and p_rank_by are the text of a tsquery with chr(1) before each term.
--
-- The plan is always this one, whatever the statistics say (OFFSET 0 keeps the check of the id from becoming a walk over
-- the primary key):
--   Nested Loop
--     -> Function Scan on unnest i
--     -> Bitmap Heap Scan on message_search, for each i
--          -> Bitmap Index Scan on message_search_terms
-- Compiling it (JIT) or starting parallel workers would cost more than it takes.
CREATE FUNCTION search_slices(
  p_conversation_ids uuid[], p_slices bigint[], p_query text, p_rank_by text, p_from timestamptz, p_to timestamptz
) RETURNS TABLE (conversation_id uuid, seq bigint, sent_at timestamptz, rank real)
LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT s.conversation_id, s.seq, s.sent_at,
    CASE WHEN p_rank_by IS NULL THEN 0::real
      ELSE ts_rank_cd(s.terms, replace(p_rank_by, chr(1), i.place)::tsquery, 1) END
  FROM (
    SELECT u.conversation_id, search_place(u.conversation_id, u.slice) AS place
    FROM unnest(p_conversation_ids, p_slices) AS u (conversation_id, slice)
  ) i
  CROSS JOIN LATERAL (
    SELECT * FROM message_search m WHERE m.terms @@ replace(p_query, chr(1), i.place)::tsquery OFFSET 0
  ) s
  WHERE s.conversation_id = i.conversation_id
    AND (p_from IS NULL OR s.sent_at >= p_from) AND (p_to IS NULL OR s.sent_at <= p_to);
END $$;--> statement-breakpoint

-- What is deleted is not found from the moment on at which its deletion is committed.
CREATE FUNCTION forget_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM message_search s WHERE s.conversation_id = OLD.conversation_id AND s.seq = OLD.seq;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER messages_deleted AFTER UPDATE OF deleted_at ON messages
  FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION forget_message();--> statement-breakpoint
CREATE TRIGGER messages_removed AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION forget_message();

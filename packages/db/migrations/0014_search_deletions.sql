-- A message that is deleted while it is indexed leaves nothing in the index. Neither of the two sees what the other has not
-- committed yet, and so one of them has to wait: the deletion for those who are indexing already; from then on, until it is
-- committed, whoever indexes for the very messages that it deletes, and for no others. Appends take part in none of this.
--
-- Both of these locks are had at once or after what is under way, and in the order in which a deletion takes them. Who
-- indexes or deletes by the functions of before is done then.
LOCK TABLE messages, message_search IN SHARE ROW EXCLUSIVE MODE;--> statement-breakpoint

-- The key of an advisory lock: shared by those who index, exclusive to who deletes. A table's own locks would also stand in the
-- way of autovacuum.
CREATE FUNCTION search_deletions() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 7275395391;--> statement-breakpoint

-- As in 0011_search_runs. What is new is the first statement. While nobody deletes (nearly always) it costs a microsecond, and
-- whoever begins to delete waits for the end of this transaction. Otherwise the messages are locked, in key order: what is
-- being deleted of them is waited for, what is to be deleted after that waits.
CREATE OR REPLACE FUNCTION index_runs(
  p_conversation_ids uuid[], p_from_seqs bigint[], p_lengths int[], p_ends int[], p_terms tsvector[], p_vectors tsvector[]
) RETURNS int
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_put int;
BEGIN
  IF NOT pg_try_advisory_xact_lock_shared(search_deletions()) THEN
    PERFORM FROM unnest(p_conversation_ids, p_from_seqs, p_lengths) AS r (conversation_id, from_seq, length)
    CROSS JOIN LATERAL (
      SELECT FROM messages
      WHERE conversation_id = r.conversation_id AND seq BETWEEN r.from_seq AND r.from_seq + r.length - 1
      ORDER BY seq FOR SHARE
    ) m;
  END IF;
  INSERT INTO message_search (conversation_id, from_seq, to_seq, times, vectors, terms)
  SELECT r.conversation_id, r.from_seq, r.from_seq + r.length - 1, m.times, p_vectors[r.at - r.length + 1 : r.at], r.terms
  FROM unnest(p_conversation_ids, p_from_seqs, p_lengths, p_ends, p_terms) AS r (conversation_id, from_seq, length, at, terms)
  CROSS JOIN LATERAL (
    SELECT array_agg(w.created_at) AS times
    FROM (
      SELECT created_at FROM messages
      WHERE conversation_id = r.conversation_id AND seq BETWEEN r.from_seq AND r.from_seq + r.length - 1
        AND deleted_at IS NULL
      ORDER BY seq
    ) w
  ) m
  WHERE cardinality(m.times) = r.length
    AND coalesce((
      SELECT s.to_seq FROM message_search s
      WHERE s.conversation_id = r.conversation_id AND s.from_seq < r.from_seq + r.length
      ORDER BY s.from_seq DESC LIMIT 1
    ), 0) < r.from_seq;
  GET DIAGNOSTICS v_put = ROW_COUNT;
  RETURN v_put;
END $$;--> statement-breakpoint

-- Before the messages are touched: who waits here holds nothing that those who index may wait for. One deletion at a time, so
-- that no two ever wait for each other in a circle.
CREATE FUNCTION await_indexing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(search_deletions());
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER messages_deleting BEFORE UPDATE OF deleted_at OR DELETE ON messages
  FOR EACH STATEMENT EXECUTE FUNCTION await_indexing();

-- The search index by runs of neighbouring messages instead of by messages: a run is one row, and a term that several of its
-- messages have is one entry; docs/PERFORMANCE.md has the figures. What is in it is taken over as runs of one, so that
-- everything is found as before; `npm run search:rebuild` joins them to longer ones whenever there is time for it.
--
-- Searches go on while it copies, sends too; indexing and deleting wait.
LOCK TABLE message_search IN SHARE ROW EXCLUSIVE MODE;--> statement-breakpoint
CREATE TABLE "message_search_runs" (
	"conversation_id" uuid NOT NULL,
	"from_seq" bigint NOT NULL,
	"to_seq" bigint NOT NULL,
	"times" timestamptz[] NOT NULL,
	"vectors" "tsvector"[] NOT NULL,
	"terms" "tsvector" NOT NULL
);
--> statement-breakpoint
-- A row stays whole and as it is up to a page: to compress it, or to read it piece by piece, takes longer than to read it.
ALTER TABLE message_search_runs SET (toast_tuple_target = 8160),
  ALTER COLUMN terms SET STORAGE EXTERNAL, ALTER COLUMN vectors SET STORAGE EXTERNAL,
  ALTER COLUMN terms SET STATISTICS 0, ALTER COLUMN vectors SET STATISTICS 0;--> statement-breakpoint
INSERT INTO message_search_runs (conversation_id, from_seq, to_seq, times, vectors, terms)
SELECT conversation_id, seq, seq, ARRAY[sent_at], ARRAY[terms], strip(terms) FROM message_search;--> statement-breakpoint
ALTER TABLE "message_search_runs" ADD CONSTRAINT "message_search_conversation_id_from_seq_pk" PRIMARY KEY("conversation_id","from_seq");--> statement-breakpoint
CREATE INDEX "message_search_runs_terms" ON "message_search_runs" USING gin ("terms") WITH (fastupdate=false);--> statement-breakpoint
DROP TABLE "message_search";--> statement-breakpoint
ALTER TABLE "message_search_runs" RENAME TO "message_search";--> statement-breakpoint
ALTER INDEX "message_search_runs_terms" RENAME TO "message_search_terms";--> statement-breakpoint

-- Puts runs into the index, places included: run n are p_lengths[n] neighbouring messages of one slice, from p_from_seqs[n],
-- with the terms of all in p_terms[n] and those of each in p_vectors, the last of them at p_ends[n]. Only a run whose messages
-- all live and are all not indexed yet is put in; returns how many were. The look for what is indexed is one row, as no two
-- runs overlap.
--
-- Runs come in key order and are inserted in it: two who do the same never wait for each other in a circle. A subquery with an
-- order stays the inner side of its loop (see 0010_worker_statements).
CREATE FUNCTION index_runs(
  p_conversation_ids uuid[], p_from_seqs bigint[], p_lengths int[], p_ends int[], p_terms tsvector[], p_vectors tsvector[]
) RETURNS int
LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_put int;
BEGIN
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

-- For workers of before this migration, which go on until they are replaced.
CREATE OR REPLACE FUNCTION index_messages(p_conversation_ids uuid[], p_seqs bigint[], p_terms tsvector[], p_new boolean)
RETURNS void LANGUAGE sql
AS $$
  SELECT index_runs(p_conversation_ids, p_seqs, array_agg(1), array_agg(n::int ORDER BY n), array_agg(strip(t) ORDER BY n), p_terms)
  FROM unnest(p_terms) WITH ORDINALITY AS i (t, n)
$$;--> statement-breakpoint

-- As in 0006_search, for runs: what the index finds are those that have all terms somewhere, which is then asked of each of
-- their messages. A run's own terms have no positions, so that terms in a row are asked of it as terms anywhere. The plan:
--   Nested Loop
--     -> Nested Loop
--          -> Function Scan on unnest i
--          -> Bitmap Heap Scan on message_search, for each i
--               -> Bitmap Index Scan on message_search_terms
--     -> ProjectSet of its messages
CREATE OR REPLACE FUNCTION search_slices(
  p_conversation_ids uuid[], p_slices bigint[], p_query text, p_rank_by text, p_from timestamptz, p_to timestamptz
) RETURNS TABLE (conversation_id uuid, seq bigint, sent_at timestamptz, rank real)
LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  v_anywhere CONSTANT text := regexp_replace(p_query, '<\d+>(?= ''' || chr(1) || ')', '&', 'g');
BEGIN
  RETURN QUERY
  SELECT s.conversation_id, s.from_seq + v.n - 1, v.at,
    CASE WHEN p_rank_by IS NULL THEN 0::real
      ELSE ts_rank_cd(v.terms, replace(p_rank_by, chr(1), i.place)::tsquery, 1) END
  FROM (
    SELECT u.conversation_id, k.place, replace(p_query, chr(1), k.place)::tsquery AS query,
      replace(v_anywhere, chr(1), k.place)::tsquery AS anywhere
    FROM unnest(p_conversation_ids, p_slices) AS u (conversation_id, slice)
    CROSS JOIN LATERAL (SELECT search_place(u.conversation_id, u.slice) AS place OFFSET 0) k
    OFFSET 0
  ) i
  CROSS JOIN LATERAL (SELECT * FROM message_search m WHERE m.terms @@ i.anywhere OFFSET 0) s
  CROSS JOIN LATERAL (
    SELECT unnest(s.vectors) AS terms, unnest(s.times) AS at, generate_subscripts(s.vectors, 1) AS n OFFSET 0
  ) v
  WHERE s.conversation_id = i.conversation_id AND v.terms @@ i.query
    AND (p_from IS NULL OR v.at >= p_from) AND (p_to IS NULL OR v.at <= p_to);
END $$;--> statement-breakpoint

-- As in 0006_search, for runs. Terms that only the deleted message has are gone from its run as well.
CREATE OR REPLACE FUNCTION forget_message() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_run message_search;
BEGIN
  SELECT * INTO v_run FROM message_search s
  WHERE s.conversation_id = OLD.conversation_id AND s.from_seq <= OLD.seq ORDER BY s.from_seq DESC LIMIT 1 FOR UPDATE;
  IF v_run.to_seq >= OLD.seq THEN
    v_run.vectors[OLD.seq - v_run.from_seq + 1] := NULL;
    SELECT array_to_tsvector(array_agg(DISTINCT t.term)) INTO v_run.terms
    FROM unnest(v_run.vectors) AS v (terms) CROSS JOIN unnest(tsvector_to_array(v.terms)) AS t (term);
    IF v_run.terms IS NULL THEN
      DELETE FROM message_search s WHERE s.conversation_id = OLD.conversation_id AND s.from_seq = v_run.from_seq;
    ELSE
      UPDATE message_search s SET vectors = v_run.vectors, terms = v_run.terms
      WHERE s.conversation_id = OLD.conversation_id AND s.from_seq = v_run.from_seq;
    END IF;
  END IF;
  RETURN NULL;
END $$;

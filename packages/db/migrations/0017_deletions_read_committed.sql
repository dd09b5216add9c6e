-- As in 0014_search_deletions. What is new: a transaction that reads as of its beginning is refused. It may not delete what was indexed
-- since then, as it does not see that, and waiting does not change what it sees.
CREATE OR REPLACE FUNCTION await_indexing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = 'messages are deleted at READ COMMITTED only: otherwise their words could stay in the search index',
      HINT = 'Begin with BEGIN ISOLATION LEVEL READ COMMITTED.';
  END IF;
  PERFORM pg_advisory_xact_lock(search_deletions());
  RETURN NULL;
END $$;

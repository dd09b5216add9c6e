-- People are found by a part of their names without reading all of them. Both indexes take their time where there are many people,
-- and whatever writes people waits for it: then run the three statements beforehand, while everything runs, the indexes with
-- CREATE INDEX CONCURRENTLY. This migration finds them and takes no time.

-- All parts of a folded name that have one, two or three characters, some more than once. Not by pg_trgm: that sees no letters but
-- ASCII's where the database's locale is C, and finds nothing by one character or two, which is a name in many languages. PL/pgSQL
-- takes a fifth of what one query would.
CREATE OR REPLACE FUNCTION name_parts(p_name_key text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
DECLARE
  v_parts text[] := '{}';
  v_length int := length(p_name_key);
BEGIN
  FOR i IN 1 .. v_length LOOP
    v_parts := v_parts || substr(p_name_key, i, 1);
    IF i + 1 <= v_length THEN v_parts := v_parts || substr(p_name_key, i, 2); END IF;
    IF i + 2 <= v_length THEN v_parts := v_parts || substr(p_name_key, i, 3); END IF;
  END LOOP;
  RETURN v_parts;
END $$;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "users_by_name" ON "users" USING btree ("name_key","id");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "users_name_parts" ON "users" USING gin ((name_parts("name_key") collate "C")) WITH (fastupdate=false);--> statement-breakpoint
DO $$ BEGIN
  IF EXISTS (
    SELECT FROM pg_index i
    WHERE i.indexrelid IN ('users_by_name'::regclass, 'users_name_parts'::regclass) AND NOT i.indisvalid
  ) THEN
    RAISE EXCEPTION 'an index of users was not built to its end: drop users_by_name or users_name_parts, whichever is not valid';
  END IF;
END $$;

-- Which history the database follows. After a restore, a point-in-time recovery, or a failover to a standby that lagged behind, the
-- numbers that clients know belong to other messages; see packages/messaging/src/epochs.ts.
CREATE TABLE "epochs" (
	"no" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "epochs_no_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"id" text NOT NULL,
	"lossy" boolean NOT NULL,
	"began_at" timestamptz NOT NULL,
	"system_id" text,
	"timeline" text,
	"database_oid" "oid" NOT NULL,
	"messages_oid" "oid" NOT NULL,
	"started_at" timestamptz
);
--> statement-breakpoint
-- Returns the latest epochs, the newest first, after recording the current one if it is new. Processes ask every second.
--
-- Each start of the server begins one: older files that were put back lack the row. Nothing is lost (`lossy`) if the server was
-- stopped in order and started on the same files. Something may be lost with another timeline (promotion, point-in-time recovery),
-- after a start that had to recover (files that were copied while the server ran), and with another id of the system, the database
-- or the table (a dump). If a managed service has revoked a function, its part is null and makes no difference.
CREATE FUNCTION known_epochs() RETURNS TABLE (id text, lossy boolean, began_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  v_last epochs;
  v_system_id text;
  v_timeline text;
  v_started_at timestamptz;
  v_replayed_at timestamptz;
  v_recovered boolean := true;
  v_database oid := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
  v_messages oid := 'messages'::regclass;
  v_is_copy boolean;
  v_is_branch boolean;
BEGIN
  -- What can only be read, such as a standby, has the epochs of the history that it holds.
  IF current_setting('transaction_read_only')::boolean THEN
    RETURN QUERY SELECT e.id, e.lossy, e.began_at FROM epochs e ORDER BY e.no DESC LIMIT 100;
    RETURN;
  END IF;
  BEGIN v_system_id := (SELECT s.system_identifier FROM pg_control_system() s); EXCEPTION WHEN OTHERS THEN NULL; END;
  BEGIN v_timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8); EXCEPTION WHEN OTHERS THEN NULL; END;
  BEGIN v_started_at := pg_postmaster_start_time(); EXCEPTION WHEN OTHERS THEN NULL; END;
  -- Null if this start had nothing to replay.
  BEGIN v_recovered := pg_last_wal_replay_lsn() IS NOT NULL; EXCEPTION WHEN OTHERS THEN NULL; END;
  -- Of a promoted standby: when the last transaction that it had received was committed.
  BEGIN v_replayed_at := pg_last_xact_replay_timestamp(); EXCEPTION WHEN OTHERS THEN NULL; END;
  FOR v_try IN 1 .. 2 LOOP
    SELECT * INTO v_last FROM epochs ORDER BY no DESC LIMIT 1;
    v_is_copy := NOT FOUND OR v_last.database_oid <> v_database OR v_last.messages_oid <> v_messages
      OR coalesce(v_last.system_id <> v_system_id, false);
    v_is_branch := coalesce(v_last.timeline <> v_timeline, false);
    EXIT WHEN NOT v_is_copy AND NOT v_is_branch AND NOT coalesce(v_last.started_at <> v_started_at, false);
    IF v_try = 1 THEN
      LOCK TABLE epochs IN SHARE ROW EXCLUSIVE MODE;
    ELSE
      -- A server may have started long before a dump is restored into it. Parley's processes start after that.
      INSERT INTO epochs (id, lossy, began_at, system_id, timeline, database_oid, messages_oid, started_at)
      VALUES (left(replace(gen_random_uuid()::text, '-', ''), 12), v_is_copy OR v_is_branch OR v_recovered,
        CASE WHEN v_is_copy THEN clock_timestamp()
          ELSE least(coalesce(v_replayed_at, v_started_at), clock_timestamp()) END,
        v_system_id, v_timeline, v_database, v_messages, v_started_at);
    END IF;
  END LOOP;
  -- A function may have been granted since: its part counts from now on.
  UPDATE epochs e SET system_id = coalesce(e.system_id, v_system_id), timeline = coalesce(e.timeline, v_timeline),
    started_at = coalesce(e.started_at, v_started_at)
  WHERE e.no = v_last.no AND (e.system_id IS NULL AND v_system_id IS NOT NULL OR e.timeline IS NULL AND v_timeline IS NOT NULL
    OR e.started_at IS NULL AND v_started_at IS NOT NULL);
  RETURN QUERY SELECT e.id, e.lossy, e.began_at FROM epochs e ORDER BY e.no DESC LIMIT 100;
END $$;

-- Functions keep the plan they made when their connection first called them. On a table that is empty or has no statistics
-- yet that is a hash join over all of it, which is kept while the table grows: half the throughput, measured with
-- 64 messages a batch (docs/PERFORMANCE.md). Every step of these two reads a handful of rows by key.
ALTER FUNCTION append_messages SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off;--> statement-breakpoint
ALTER FUNCTION mark_read SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off;

-- As the functions of 0007_plans_for_young_tables. Each of its probes reads one row by its key; planned while the table was
-- small it read all of it, twenty times, in connections that went on while it grew.
ALTER FUNCTION seq_before SET enable_seqscan = off;

-- The index of one person's uploads that no message names says so by message_id. By its state, as before, a plan that was made while
-- there were no such uploads took the other index for as good, and read everybody's. What uses attachments waits meanwhile: less
-- than a second for a million of them.
DROP INDEX "attachments_unclaimed_uploader";--> statement-breakpoint
CREATE INDEX "attachments_unused_uploader" ON "attachments" USING btree ("uploader_id") WHERE message_id is null;

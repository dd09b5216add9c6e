-- A client's own id for the group that it creates: asked for again, it is the same group. No conversation has one yet, so that the
-- index is built of nothing; sends wait while the table is looked through for that.
ALTER TABLE "conversations" ADD COLUMN "client_conversation_id" text;--> statement-breakpoint
CREATE UNIQUE INDEX "conversations_client_id" ON "conversations" USING btree ("created_by","client_conversation_id") WHERE "conversations"."client_conversation_id" is not null;

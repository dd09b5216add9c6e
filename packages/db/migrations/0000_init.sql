CREATE TYPE "conversation_type" AS ENUM('DIRECT', 'GROUP');--> statement-breakpoint
CREATE TYPE "message_type" AS ENUM('TEXT', 'FILE', 'IMAGE', 'VIDEO', 'AUDIO', 'SYSTEM');--> statement-breakpoint
CREATE TYPE "participant_role" AS ENUM('OWNER', 'MEMBER');--> statement-breakpoint
CREATE TABLE "conversations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"type" "conversation_type" NOT NULL,
	"name" text,
	"name_key" text,
	"direct_key" text,
	"created_by" text NOT NULL,
	"last_seq" bigint DEFAULT 0 NOT NULL,
	"rev" bigint DEFAULT 0 NOT NULL,
	"participant_count" integer NOT NULL,
	"last_message_at" timestamptz DEFAULT now() NOT NULL,
	"created_at" timestamptz DEFAULT now() NOT NULL,
	CONSTRAINT "direct_has_key" CHECK (("conversations"."type" = 'DIRECT') = ("conversations"."direct_key" is not null))
);
--> statement-breakpoint
CREATE TABLE "messages" (
	"conversation_id" uuid NOT NULL,
	"seq" bigint NOT NULL,
	"id" uuid NOT NULL,
	"rev" bigint NOT NULL,
	"sender_id" text NOT NULL,
	"client_message_id" text NOT NULL,
	"content" text NOT NULL,
	"type" "message_type" NOT NULL,
	"attachments" jsonb,
	"system" jsonb,
	"created_at" timestamptz NOT NULL,
	"updated_at" timestamptz,
	"deleted_at" timestamptz,
	CONSTRAINT "messages_conversation_id_seq_pk" PRIMARY KEY("conversation_id","seq")
);
--> statement-breakpoint
CREATE TABLE "outbox" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "outbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"origin" text NOT NULL,
	"batch" bigint NOT NULL,
	"conversation_ids" uuid[] NOT NULL,
	"seqs" bigint[] NOT NULL,
	"created_at" timestamptz DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "participants" (
	"conversation_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"role" "participant_role" DEFAULT 'MEMBER' NOT NULL,
	"joined_seq" bigint DEFAULT 0 NOT NULL,
	"last_read_seq" bigint DEFAULT 0 NOT NULL,
	"last_read_at" timestamptz,
	"rev" bigint DEFAULT 0 NOT NULL,
	"joined_at" timestamptz DEFAULT now() NOT NULL,
	"left_at" timestamptz,
	"muted_until" timestamptz,
	CONSTRAINT "participants_conversation_id_user_id_pk" PRIMARY KEY("conversation_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" text PRIMARY KEY NOT NULL,
	"full_name" text NOT NULL,
	"profile_photo" text,
	"name_key" text NOT NULL,
	"profile_at" timestamptz DEFAULT now() NOT NULL,
	"last_seen_at" timestamptz,
	"created_at" timestamptz DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "participants" ADD CONSTRAINT "participants_conversation_id_conversations_id_fk" FOREIGN KEY ("conversation_id") REFERENCES "conversations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "participants" ADD CONSTRAINT "participants_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "conversations_direct_key" ON "conversations" USING btree ("direct_key");--> statement-breakpoint
CREATE UNIQUE INDEX "messages_id" ON "messages" USING btree ("conversation_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "messages_client_message_id" ON "messages" USING btree ("conversation_id","sender_id","client_message_id");--> statement-breakpoint
CREATE INDEX "participants_user" ON "participants" USING btree ("user_id","conversation_id");
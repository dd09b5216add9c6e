CREATE TABLE "push_closings" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "push_closings_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"conversation_id" uuid NOT NULL,
	"user_id" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "push_preferences" (
	"user_id" text PRIMARY KEY NOT NULL,
	"show_content" boolean NOT NULL,
	"quiet_start" text,
	"quiet_end" text,
	"time_zone" text
);
--> statement-breakpoint
CREATE TABLE "push_shown" (
	"conversation_id" uuid NOT NULL,
	"user_id" text NOT NULL,
	"subscription_id" uuid NOT NULL,
	"from_seq" bigint NOT NULL,
	"seq" bigint NOT NULL,
	"digest" boolean DEFAULT false NOT NULL,
	"pushed_at" timestamptz DEFAULT now() NOT NULL,
	CONSTRAINT "push_shown_conversation_id_user_id_subscription_id_pk" PRIMARY KEY("conversation_id","user_id","subscription_id")
);
--> statement-breakpoint
CREATE TABLE "push_subscriptions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" text NOT NULL,
	"endpoint" text NOT NULL,
	"p256dh" text NOT NULL,
	"auth" text NOT NULL,
	"created_at" timestamptz DEFAULT now() NOT NULL,
	"last_ok_at" timestamptz,
	"retry_at" timestamptz
);
--> statement-breakpoint
ALTER TABLE "push_preferences" ADD CONSTRAINT "push_preferences_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "push_shown" ADD CONSTRAINT "push_shown_subscription_id_push_subscriptions_id_fk" FOREIGN KEY ("subscription_id") REFERENCES "push_subscriptions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "push_subscriptions" ADD CONSTRAINT "push_subscriptions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "push_shown_subscription" ON "push_shown" USING btree ("subscription_id");--> statement-breakpoint
CREATE UNIQUE INDEX "push_subscriptions_endpoint" ON "push_subscriptions" USING btree ("endpoint");--> statement-breakpoint
CREATE INDEX "push_subscriptions_user" ON "push_subscriptions" USING btree ("user_id");--> statement-breakpoint

-- Whoever has read a conversation as far as a device's notification goes, on whatever way (a receipt, a message of their
-- own), or has left it, is owed the closing of that notification. In the transaction of the read itself, so that none is
-- forgotten; append-only, so that it waits for nobody. One index probe for each mark that moves.
CREATE FUNCTION note_push_closings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO push_closings (conversation_id, user_id)
  SELECT DISTINCT p.conversation_id, p.user_id
  FROM changed p
  JOIN push_shown s ON s.conversation_id = p.conversation_id AND s.user_id = p.user_id
  WHERE p.last_read_seq >= s.seq OR p.left_at IS NOT NULL;
  RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER participants_push_closings AFTER UPDATE ON participants
REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_push_closings();

"""Migration 11: payments in full: payers and saved methods, deposits, disputes, lost events, stuck commands."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:11"
VERSION = "1.38.0"
DESCRIPTION = "payments"

PAYMENTS = r"""
CREATE TABLE "payer" (
    "partner" UUID PRIMARY KEY NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "customer_id" TEXT UNIQUE,
    "asked_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "payment" ADD COLUMN "payer" UUID REFERENCES "partner" ("id") ON DELETE RESTRICT;
ALTER TABLE "payment" ADD COLUMN "capture" TEXT NOT NULL DEFAULT 'automatic';
ALTER TABLE "payment" ADD COLUMN "method" TEXT;
ALTER TABLE "payment" ADD COLUMN "transfer" JSONB;
ALTER TABLE "payment" ADD COLUMN "declined" TEXT;
ALTER TABLE "payment" ADD COLUMN "received_minor" BIGINT NOT NULL DEFAULT 0;
UPDATE "payment" SET "received_minor" = "amount_minor" WHERE "state" IN ('paid', 'refunded');
ALTER TABLE "payment" ADD COLUMN "capture_before" TIMESTAMPTZ;
ALTER TABLE "payment" ADD COLUMN "reading" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "payment" ADD CONSTRAINT known_capture CHECK (capture IN ('automatic', 'manual'));
ALTER TABLE "payment" DROP CONSTRAINT known_state;
ALTER TABLE "payment" ADD CONSTRAINT known_state CHECK (state IN (
    'requested', 'open', 'processing', 'failed', 'expired', 'authorised', 'released', 'paid', 'refunded'));
ALTER TABLE "payment" ADD CONSTRAINT never_receives_more CHECK (received_minor BETWEEN 0 AND amount_minor);
CREATE SEQUENCE stripe_reading;
CREATE TABLE "saved_method" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "payer" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "state" TEXT NOT NULL DEFAULT 'requested',
    "session_id" TEXT UNIQUE,
    "url" TEXT,
    "method_id" TEXT UNIQUE,
    "kind" TEXT,
    "brand" TEXT,
    "last_four" TEXT,
    "ends_on" DATE,
    "requested_at" TIMESTAMPTZ NOT NULL,
    "saved_at" TIMESTAMPTZ,
    "reading" BIGINT NOT NULL DEFAULT 0
);
ALTER TABLE "saved_method" ADD CONSTRAINT known_state CHECK (state IN ('requested', 'open', 'saved', 'expired', 'failed', 'forgotten'));
ALTER TABLE "saved_method" ADD CONSTRAINT saved_is_known CHECK (
    state NOT IN ('saved', 'forgotten') OR (method_id IS NOT NULL AND saved_at IS NOT NULL));
CREATE INDEX saved_method_by_payer ON saved_method (payer, saved_at);
ALTER TABLE "stripe_command" ADD COLUMN "settled_by" TEXT;
ALTER TABLE "stripe_command" ADD COLUMN "settled_reason" TEXT;
ALTER TABLE "stripe_command" ADD COLUMN "settled_at" TIMESTAMPTZ;
ALTER TABLE "stripe_command" DROP CONSTRAINT known_verb;
ALTER TABLE "stripe_command" ADD CONSTRAINT known_verb CHECK (
    verb IN ('checkout', 'refund', 'expire_session', 'customer', 'setup', 'charge', 'capture', 'release', 'forget'));
ALTER TABLE "stripe_command" ADD CONSTRAINT given_up_with_a_reason CHECK (
    (settled_at IS NULL) = (settled_by IS NULL) AND (settled_at IS NULL) = (settled_reason IS NULL)
    AND (settled_at IS NULL OR state = 'failed'));
ALTER TABLE "stripe_event" ADD COLUMN "created_at" TIMESTAMPTZ;
ALTER TABLE "stripe_event" ADD COLUMN "webhook_at" TIMESTAMPTZ;
ALTER TABLE "stripe_event" ADD COLUMN "lost_at" TIMESTAMPTZ;
UPDATE "stripe_event" SET "webhook_at" = "received_at" WHERE "came_by" = 'webhook';
CREATE INDEX event_lost ON stripe_event (lost_at) WHERE lost_at IS NOT NULL;
CREATE INDEX event_not_yet_brought ON stripe_event (created_at) WHERE webhook_at IS NULL AND lost_at IS NULL;
CREATE TABLE "dispute" (
    "id" TEXT PRIMARY KEY NOT NULL,
    "payment_subject" UUID,
    "charge_id" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "reason" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "stands" TEXT NOT NULL,
    "opened_at" TIMESTAMPTZ NOT NULL,
    "due_at" TIMESTAMPTZ,
    "closed_at" TIMESTAMPTZ,
    "reading" BIGINT NOT NULL DEFAULT 0
);
ALTER TABLE "dispute" ADD CONSTRAINT amount_is_positive CHECK (amount_minor > 0);
ALTER TABLE "dispute" ADD CONSTRAINT known_stand CHECK (stands IN ('asked', 'open', 'won', 'lost'));
CREATE INDEX dispute_by_payment ON dispute (payment_subject);
CREATE INDEX dispute_open ON dispute (payment_subject) WHERE stands = 'open';
"""
PURCHASES = r"""
ALTER TABLE "purchase_order" ADD COLUMN "returned_minor" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "purchase_order" ADD COLUMN "lost_minor" BIGINT NOT NULL DEFAULT 0;
UPDATE "purchase_order" SET "returned_minor" = "total_minor" WHERE "state" = 'refunded';
ALTER TABLE "purchase_order" DROP CONSTRAINT known_state;
ALTER TABLE "purchase_order" ADD CONSTRAINT known_state CHECK (
    state IN ('awaiting_payment', 'paid', 'lapsed', 'refunded', 'charged_back'));
ALTER TABLE "purchase_order" DROP CONSTRAINT paid_at_an_instant;
ALTER TABLE "purchase_order" ADD CONSTRAINT paid_at_an_instant CHECK (
    (state IN ('paid', 'refunded', 'charged_back')) = (paid_at IS NOT NULL));
ALTER TABLE "purchase_order" ADD CONSTRAINT no_more_goes_back_than_came CHECK (
    least(returned_minor, lost_minor) >= 0 AND returned_minor + lost_minor <= total_minor);
ALTER TABLE "purchase_order" ADD CONSTRAINT gone_whole CHECK (
    (state IN ('refunded', 'charged_back')) = (returned_minor + lost_minor = total_minor));
ALTER TABLE "licence" ADD COLUMN "returned_minor" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence" ADD COLUMN "contested_at" TIMESTAMPTZ;
UPDATE "licence" SET "returned_minor" = "licence"."net_minor" FROM "purchase_order"
WHERE "purchase_order"."id" = "licence"."purchase_order" AND "purchase_order"."state" = 'refunded';
ALTER TABLE "licence" ADD CONSTRAINT returns_are_of_it CHECK (returned_minor BETWEEN 0 AND net_minor);
CREATE INDEX licence_contested ON licence (purchase_order) WHERE contested_at IS NOT NULL;
ALTER TABLE "entitlement" ADD COLUMN "suspended_at" TIMESTAMPTZ;
CREATE INDEX entitlement_suspended ON entitlement (licence) WHERE suspended_at IS NOT NULL;
CREATE TABLE "money_back" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "dispute" TEXT UNIQUE REFERENCES "dispute" ("id") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "money_back" ADD CONSTRAINT known_kind CHECK (kind IN ('refund', 'dispute') AND (kind = 'dispute') = (dispute IS NOT NULL));
ALTER TABLE "money_back" ADD CONSTRAINT adds_up CHECK (
    total_minor = net_minor + vat_minor AND total_minor > 0 AND net_minor >= 0 AND vat_minor >= 0);
CREATE INDEX money_back_by_order ON money_back (purchase_order);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON money_back
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
INSERT INTO "money_back" ("id", "purchase_order", "kind", "net_minor", "vat_minor", "total_minor", "at")
SELECT "purchase_order"."id", "purchase_order"."id", 'refund', "net_minor", "vat_minor", "total_minor", "journal_entry"."at"
FROM "purchase_order" JOIN "journal_entry" ON "kind" = 'refund' AND "source_id" = "purchase_order"."id"::text;
"""
EARNINGS = r"""
ALTER TABLE "licence_split" ADD COLUMN "generation" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "licence_split" ADD COLUMN "returned_minor" BIGINT NOT NULL DEFAULT 0;
ALTER TABLE "licence_split" ADD COLUMN "lost_minor" BIGINT NOT NULL DEFAULT 0;
CREATE TABLE "former_split" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "licence" UUID NOT NULL REFERENCES "licence" ("id") ON DELETE RESTRICT,
    "generation" INTEGER NOT NULL,
    "pool_minor" BIGINT NOT NULL,
    "operator_minor" BIGINT NOT NULL,
    "top_up_operator_minor" BIGINT NOT NULL,
    "top_up_platform_minor" BIGINT NOT NULL,
    "returned_minor" BIGINT NOT NULL,
    "held_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "ended_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "split_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "former_split" ADD CONSTRAINT one_a_generation UNIQUE ("licence", "generation");
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON former_split
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE INDEX split_released ON licence_split (licence) WHERE state = 'released';
"""


async def forwards() -> MigrationManager:
    """Add them."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def run() -> None:
        for part in (PAYMENTS, PURCHASES, EARNINGS):
            await execute(part)

    manager.add_raw(run)
    return manager

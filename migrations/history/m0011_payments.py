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
"""


async def forwards() -> MigrationManager:
    """Add them."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def run() -> None:
        for part in (PAYMENTS,):
            await execute(part)

    manager.add_raw(run)
    return manager

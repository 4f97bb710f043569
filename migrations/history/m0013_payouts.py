"""Migration 13: payouts: bank details sealed, runs that four eyes approve, batches and payouts that only go forward."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:13"
VERSION = "1.38.0"
DESCRIPTION = "payouts"

TABLES = r"""
ALTER TABLE "stripe_command" DROP CONSTRAINT known_verb;
ALTER TABLE "stripe_command" ADD CONSTRAINT known_verb CHECK (verb IN ('checkout', 'refund', 'expire_session', 'customer', 'setup', 'charge', 'capture', 'release', 'forget', 'account', 'transfer'));
ALTER TABLE "share_run" DROP CONSTRAINT known_kind;
ALTER TABLE "share_run" ADD CONSTRAINT known_kind CHECK (kind IN ('hold', 'release', 'cancel', 'payout', 'payout_back'));
CREATE TABLE "bank_details" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "sealed" BYTEA,
    "key_id" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "last_four" TEXT NOT NULL,
    "country" TEXT NOT NULL,
    "added_at" TIMESTAMPTZ NOT NULL,
    "usable_from" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    "refused_at" TIMESTAMPTZ,
    "refused_reason" TEXT
);
ALTER TABLE "bank_details" ADD CONSTRAINT last_four_are_four CHECK (last_four ~ '^[0-9A-Z]{4}$' AND country ~ '^[A-Z]{2}$');
ALTER TABLE "bank_details" ADD CONSTRAINT usable_after_added CHECK (usable_from >= added_at);
ALTER TABLE "bank_details" ADD CONSTRAINT refused_with_a_reason CHECK ((refused_at IS NULL) = (refused_reason IS NULL));
ALTER TABLE "bank_details" ADD CONSTRAINT forgotten_only_when_ended CHECK (sealed IS NOT NULL OR ended_at IS NOT NULL);
CREATE TABLE "payout_choice" (
    "subscriber" BIGINT PRIMARY KEY NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "threshold_minor" BIGINT NOT NULL,
    "stripe_account" TEXT,
    "stripe_from" TIMESTAMPTZ,
    "chosen_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "payout_choice" ADD CONSTRAINT stripe_account_from_an_instant CHECK ((stripe_account IS NULL) = (stripe_from IS NULL));
ALTER TABLE "payout_choice" ADD CONSTRAINT threshold_is_not_negative CHECK (threshold_minor >= 0);
CREATE TABLE "payout_run" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "route" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "threshold_minor" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
    "drafted_at" TIMESTAMPTZ NOT NULL,
    "prepared_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "approved_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "approved_at" TIMESTAMPTZ,
    "reason" TEXT,
    "cancelled_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "cancelled_reason" TEXT,
    "sent_at" TIMESTAMPTZ,
    "execute_on" DATE,
    "file_sha256" TEXT,
    "moved_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    "answered_at" TIMESTAMPTZ,
    "ended_at" TIMESTAMPTZ
);
ALTER TABLE "payout_run" ADD CONSTRAINT known_route CHECK (route IN ('sepa', 'stripe'));
ALTER TABLE "payout_run" ADD CONSTRAINT known_state CHECK (state IN ('draft', 'approved', 'sent', 'settled', 'failed', 'cancelled'));
ALTER TABLE "payout_run" ADD CONSTRAINT pays_someone CHECK (amount_minor > 0 AND people > 0 AND threshold_minor > 0);
ALTER TABLE "payout_run" ADD CONSTRAINT four_eyes CHECK (approved_by IS NULL OR (prepared_by IS NOT NULL AND approved_by <> prepared_by));
ALTER TABLE "payout_run" ADD CONSTRAINT approved_before_it_is_sent CHECK (state NOT IN ('approved', 'sent', 'settled', 'failed') OR (approved_by IS NOT NULL AND approved_at IS NOT NULL AND reason IS NOT NULL));
ALTER TABLE "payout_run" ADD CONSTRAINT sent_with_its_money CHECK ((state IN ('sent', 'settled', 'failed')) = (sent_at IS NOT NULL AND moved_by IS NOT NULL));
ALTER TABLE "payout_run" ADD CONSTRAINT ended_at_an_instant CHECK ((state IN ('settled', 'failed', 'cancelled')) = (ended_at IS NOT NULL));
ALTER TABLE "payout_run" ADD CONSTRAINT cancelled_by_someone CHECK ((state = 'cancelled') = (cancelled_by IS NOT NULL AND cancelled_reason IS NOT NULL));
CREATE TABLE "payout_batch" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "number" INTEGER NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL
);
ALTER TABLE "payout_batch" ADD CONSTRAINT one_place_a_batch UNIQUE ("run", "number");
ALTER TABLE "payout_batch" ADD CONSTRAINT batch_pays_someone CHECK (number > 0 AND amount_minor > 0 AND people > 0);
CREATE TABLE "payout" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "batch" INTEGER NOT NULL,
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "details" UUID REFERENCES "bank_details" ("id") ON DELETE RESTRICT,
    "stripe_account" TEXT,
    "amount_minor" BIGINT NOT NULL,
    "state" TEXT NOT NULL,
    "reason" TEXT,
    "ended_at" TIMESTAMPTZ,
    "put_back_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT
);
ALTER TABLE "payout" ADD CONSTRAINT one_payout_a_run UNIQUE ("run", "subscriber");
ALTER TABLE "payout" ADD CONSTRAINT one_way_to_be_paid CHECK (num_nonnulls(details, stripe_account) = 1);
ALTER TABLE "payout" ADD CONSTRAINT amount_can_be_transferred CHECK (amount_minor BETWEEN 1 AND 99999999999);
ALTER TABLE "payout" ADD CONSTRAINT known_state CHECK (state IN ('open', 'settled', 'failed', 'cancelled'));
ALTER TABLE "payout" ADD CONSTRAINT ended_at_an_instant CHECK ((state = 'open') = (ended_at IS NULL));
ALTER TABLE "payout" ADD CONSTRAINT failed_is_put_back CHECK ((state = 'failed') = (put_back_by IS NOT NULL AND reason IS NOT NULL));
CREATE TABLE "payout_answer" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "message" TEXT NOT NULL,
    "file_sha256" TEXT UNIQUE NOT NULL,
    "group_status" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "rejected" BIGINT NOT NULL,
    "taken_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "taken_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "payout_answer" ADD CONSTRAINT rejected_is_not_negative CHECK (rejected >= 0);
"""

GUARDS = """
-- A run is what was drafted, and what was decided stays decided.
CREATE FUNCTION refuse_payout_run_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a payout run is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.id, OLD.route, OLD.threshold_minor, OLD.drafted_at) IS DISTINCT FROM (NEW.id, NEW.route, NEW.threshold_minor, NEW.drafted_at)
       OR OLD.state <> 'draft' AND (OLD.amount_minor, OLD.people, OLD.prepared_by, OLD.approved_by, OLD.approved_at, OLD.reason)
          IS DISTINCT FROM (NEW.amount_minor, NEW.people, NEW.prepared_by, NEW.approved_by, NEW.approved_at, NEW.reason)
       OR OLD.prepared_by IS NOT NULL AND NEW.prepared_by IS DISTINCT FROM OLD.prepared_by
       OR OLD.sent_at IS NOT NULL AND (OLD.sent_at, OLD.execute_on, OLD.file_sha256, OLD.moved_by)
          IS DISTINCT FROM (NEW.sent_at, NEW.execute_on, NEW.file_sha256, NEW.moved_by) THEN
        RAISE EXCEPTION 'a payout run is fixed once it is decided' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('draft', 'draft'), ('draft', 'approved'), ('draft', 'cancelled'), ('approved', 'approved'), ('approved', 'sent'),
        ('approved', 'cancelled'), ('sent', 'sent'), ('sent', 'settled'), ('sent', 'failed'), ('settled', 'settled'),
        ('failed', 'failed')) THEN
        RAISE EXCEPTION 'a payout run only goes forward' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_forward BEFORE UPDATE OR DELETE ON payout_run FOR EACH ROW EXECUTE FUNCTION refuse_payout_run_change();

CREATE FUNCTION refuse_payout_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a payout is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.id, OLD.run, OLD.batch, OLD.subscriber, OLD.details, OLD.stripe_account, OLD.amount_minor)
       IS DISTINCT FROM (NEW.id, NEW.run, NEW.batch, NEW.subscriber, NEW.details, NEW.stripe_account, NEW.amount_minor)
       OR (OLD.state, NEW.state) NOT IN (('open', 'settled'), ('open', 'failed'), ('open', 'cancelled'), ('settled', 'failed')) THEN
        RAISE EXCEPTION 'a payout only goes forward' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_forward BEFORE UPDATE OR DELETE ON payout FOR EACH ROW EXECUTE FUNCTION refuse_payout_change();

CREATE FUNCTION refuse_late_payouts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh JOIN payout_run ON payout_run.id = fresh.run WHERE payout_run.state <> 'draft') THEN
        RAISE EXCEPTION 'payouts are added to a draft alone' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER into_a_draft AFTER INSERT ON payout
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_payouts();

-- Where money goes is replaced, never edited; forgetting leaves the last four characters to explain old payouts by.
CREATE FUNCTION refuse_details_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'bank details are ended, not deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.id, OLD.subscriber, OLD.last_four, OLD.country, OLD.added_at, OLD.usable_from)
       IS DISTINCT FROM (NEW.id, NEW.subscriber, NEW.last_four, NEW.country, NEW.added_at, NEW.usable_from)
       OR OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at
       OR OLD.sealed IS NULL AND NEW.sealed IS NOT NULL THEN
        RAISE EXCEPTION 'bank details are replaced, never edited' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER never_edited BEFORE UPDATE OR DELETE ON bank_details FOR EACH ROW EXECUTE FUNCTION refuse_details_change();

-- Whatever takes from balances must leave none below zero: seen once a statement, for whom it took from.
CREATE FUNCTION refuse_overpayment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT subscriber FROM fresh WHERE payable_micro < 0) AS paid
        JOIN LATERAL (SELECT sum(payable_micro) AS left_micro FROM accrual WHERE accrual.subscriber = paid.subscriber) AS balance ON true
        WHERE left_micro < 0
    ) THEN
        RAISE EXCEPTION 'a payout would take more than the subscriber has' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER never_below_zero AFTER INSERT ON accrual
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_overpayment();

CREATE UNIQUE INDEX one_current_details ON bank_details (subscriber) WHERE ended_at IS NULL;
CREATE INDEX details_by_subscriber ON bank_details (subscriber, added_at DESC);
CREATE INDEX details_by_fingerprint ON bank_details (fingerprint) WHERE ended_at IS NULL;
CREATE INDEX details_ended ON bank_details (ended_at) WHERE ended_at IS NOT NULL AND sealed IS NOT NULL;
CREATE UNIQUE INDEX one_open_payout ON payout (subscriber) WHERE state = 'open';
CREATE INDEX payout_by_run ON payout (run, batch, id);
CREATE INDEX payout_by_subscriber ON payout (subscriber);
CREATE INDEX payout_by_details ON payout (details) WHERE state = 'open';
CREATE INDEX payout_put_back ON payout (put_back_by) WHERE put_back_by IS NOT NULL;
CREATE INDEX payout_run_by_date ON payout_run (drafted_at DESC);
CREATE UNIQUE INDEX one_draft_a_route ON payout_run (route) WHERE state IN ('draft', 'approved');
CREATE INDEX answer_by_run ON payout_answer (run, taken_at);
"""


async def create() -> None:
    """Run the statements; the bank's answers are append-only."""
    await execute(TABLES)
    await execute(GUARDS)
    await execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_answer "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


async def forwards() -> MigrationManager:
    """Create the tables and their guards."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(create)
    return manager

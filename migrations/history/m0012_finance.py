"""Migration 12: periods that close, the audit trail, reversals, the bank, matches and write-offs."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute
from marketplace.ledger.chart import TITLES

ID = "2026-11-24T00:00:12"
VERSION = "1.38.0"
DESCRIPTION = "finance"

APPEND_ONLY = ("period", "staff_action", "bank_account", "bank_statement", "bank_line")

TABLES = r"""
ALTER TABLE "journal_entry" ADD COLUMN "reverses" BIGINT UNIQUE REFERENCES "journal_entry" ("id") ON DELETE RESTRICT;

CREATE TABLE "period" (
    "month" DATE PRIMARY KEY NOT NULL,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "closed_at" TIMESTAMPTZ NOT NULL,
    "closed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "checks" JSONB NOT NULL
);
ALTER TABLE "period" ADD CONSTRAINT is_a_month CHECK (extract(day FROM month) = 1 AND starts_at < ends_at AND ends_at <= closed_at);

CREATE TABLE "staff_action" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "person" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "verb" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "before" JSONB NOT NULL,
    "after" JSONB NOT NULL
);
ALTER TABLE "staff_action" ADD CONSTRAINT verb_is_named CHECK (verb ~ '^[a-z_]{3,60}$');
CREATE INDEX staff_action_by_person ON staff_action (person, id);
CREATE INDEX staff_action_by_verb ON staff_action (verb, id);

CREATE TABLE "bank_account" (
    "iban" TEXT PRIMARY KEY NOT NULL,
    "opened_at" TIMESTAMPTZ NOT NULL,
    "opened_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT
);
ALTER TABLE "bank_account" ADD CONSTRAINT iban_is_plain CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$');

CREATE TABLE "bank_statement" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "iban" TEXT NOT NULL REFERENCES "bank_account" ("iban") ON DELETE RESTRICT,
    "message_id" TEXT NOT NULL,
    "statement_id" TEXT NOT NULL,
    "sequence" BIGINT,
    "opened_on" DATE NOT NULL,
    "closed_on" DATE NOT NULL,
    "opening_minor" BIGINT NOT NULL,
    "closing_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "line_count" BIGINT NOT NULL,
    "file_sha256" TEXT NOT NULL,
    "imported_at" TIMESTAMPTZ NOT NULL,
    "imported_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT
);
ALTER TABLE "bank_statement" ADD CONSTRAINT imported_once UNIQUE ("iban", "message_id", "statement_id");
ALTER TABLE "bank_statement" ADD CONSTRAINT days_are_ordered CHECK (opened_on <= closed_on);

CREATE TABLE "bank_line" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "statement" BIGINT NOT NULL REFERENCES "bank_statement" ("id") ON DELETE RESTRICT,
    "iban" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "booked_on" DATE NOT NULL,
    "value_on" DATE NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "end_to_end_id" TEXT NOT NULL,
    "batch_id" TEXT NOT NULL,
    "transaction_id" TEXT NOT NULL,
    "counterparty" TEXT NOT NULL,
    "counterparty_iban" TEXT NOT NULL,
    "remittance" TEXT NOT NULL,
    "code" TEXT NOT NULL,
    "return_reason" TEXT NOT NULL
);
ALTER TABLE "bank_line" ADD CONSTRAINT one_line_a_reference UNIQUE ("iban", "reference");
ALTER TABLE "bank_line" ADD CONSTRAINT moves_something CHECK (amount_minor <> 0);
CREATE INDEX bank_line_by_statement ON bank_line (statement, id);
CREATE INDEX bank_line_by_date ON bank_line (booked_on, id);
CREATE INDEX bank_line_by_end_to_end_id ON bank_line (end_to_end_id) WHERE end_to_end_id <> '';

CREATE TABLE "bank_match" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "line" BIGINT NOT NULL REFERENCES "bank_line" ("id") ON DELETE RESTRICT,
    "target_kind" TEXT NOT NULL,
    "target_id" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "person" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "score" INTEGER NOT NULL,
    "reasons" TEXT NOT NULL,
    "matched_at" TIMESTAMPTZ NOT NULL,
    "undone_at" TIMESTAMPTZ
);
ALTER TABLE "bank_match" ADD CONSTRAINT known_target CHECK (target_kind IN ('payout', 'order', 'payout_line', 'fee', 'write_off'));
ALTER TABLE "bank_match" ADD CONSTRAINT moves_something CHECK (amount_minor <> 0);
ALTER TABLE "bank_match" ADD CONSTRAINT is_no_money_account CHECK (account NOT IN ('471000', '512100', '517000'));
CREATE INDEX bank_match_by_line ON bank_match (line) WHERE undone_at IS NULL;
CREATE INDEX bank_match_by_target ON bank_match (target_kind, target_id) WHERE undone_at IS NULL;
CREATE UNIQUE INDEX one_line_a_payout ON bank_match (target_id) WHERE target_kind = 'payout' AND undone_at IS NULL;

CREATE TABLE "write_off" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "why" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "amount_minor" BIGINT,
    "happened_at" TIMESTAMPTZ NOT NULL,
    "reason" TEXT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN
);
ALTER TABLE "write_off" ADD CONSTRAINT reason_is_given CHECK (length(btrim(reason)) BETWEEN 3 AND 2000);
ALTER TABLE "write_off" ADD CONSTRAINT four_eyes CHECK (decided_by <> proposed_by);
ALTER TABLE "write_off" ADD CONSTRAINT decided_whole CHECK (num_nonnulls(decided_by, decided_at, approved) IN (0, 3));
CREATE UNIQUE INDEX one_live_write_off ON write_off (why, subject) WHERE approved IS NULL;
CREATE INDEX write_off_by_exception ON write_off (why, subject) WHERE approved;
"""

GUARDS = r"""
-- Entries of a closed period: whoever writes shares the lock that a close holds alone.
CREATE FUNCTION refuse_closed_period() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    closed_until timestamptz;
    offender text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('periods', 0));
    SELECT max(ends_at) INTO closed_until FROM period;
    IF closed_until IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'journal_entry' THEN
        SELECT kind || ' ' || source_id INTO offender FROM fresh WHERE at < closed_until LIMIT 1;
    ELSE
        SELECT kind || ' ' || source_id INTO offender
        FROM fresh JOIN journal_entry ON journal_entry.id = fresh.entry WHERE at < closed_until LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'the entry % is dated in a closed period', offender
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_is_open';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER period_is_open AFTER INSERT ON journal_entry
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_period();
CREATE TRIGGER period_is_open AFTER INSERT ON posting
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_period();

-- Months close in order, and each once.
CREATE FUNCTION refuse_period_out_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM period WHERE month > NEW.month) OR EXISTS (
        SELECT FROM period HAVING max(ends_at) <> NEW.starts_at
    ) THEN
        RAISE EXCEPTION 'months close one after the other' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'in_order';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER in_order BEFORE INSERT ON period FOR EACH ROW EXECUTE FUNCTION refuse_period_out_of_order();

-- What explains a bank line adds up to it exactly.
CREATE FUNCTION refuse_partial_match() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM bank_line JOIN bank_match ON bank_match.line = bank_line.id AND undone_at IS NULL
        WHERE bank_line.id IN (SELECT line FROM fresh)
        GROUP BY bank_line.id HAVING sum(bank_match.amount_minor) <> bank_line.amount_minor
    ) THEN
        RAISE EXCEPTION 'what explains a bank line must add up to it' USING ERRCODE = 'check_violation', CONSTRAINT = 'adds_up';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER adds_up AFTER INSERT ON bank_match
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_partial_match();
CREATE TRIGGER adds_up_after_undoing AFTER UPDATE ON bank_match
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_partial_match();

-- A match may only be undone, a write-off only be decided, each once.
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed text[] := string_to_array(TG_ARGV[0], ',');
BEGIN
    IF to_jsonb(OLD) - allowed <> to_jsonb(NEW) - allowed OR to_jsonb(OLD) -> allowed[1] <> 'null'::jsonb THEN
        RAISE EXCEPTION '% keeps what it said', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_undone BEFORE UPDATE ON bank_match FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('undone_at');
CREATE TRIGGER only_decided BEFORE UPDATE ON write_off
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('decided_at,decided_by,approved');
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON bank_match
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON write_off
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX entry_by_recording ON journal_entry (recorded_at, id);
"""


async def create() -> None:
    """Run the statements, make the append-only tables so, and complete the chart of accounts."""
    await execute(TABLES)
    await execute(GUARDS)
    for table in APPEND_ONLY:
        await execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    await execute(
        """INSERT INTO account (code, title_fr, title_en) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
           ON CONFLICT (code) DO NOTHING""",
        list(TITLES), [french for french, _ in TITLES.values()], [english for _, english in TITLES.values()],
    )  # fmt: skip


async def forwards() -> MigrationManager:
    """Make the finance staff's side of the books."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(create)
    return manager

"""Migration 14: invoices and credit notes without gaps, their files, where they are addressed; exports of the books."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:14"
VERSION = "1.38.0"
DESCRIPTION = "papers"

APPEND_ONLY = ("invoice", "invoice_paper")

SQL = r"""
ALTER TABLE "purchase_order" DROP CONSTRAINT known_rule;
ALTER TABLE "purchase_order" ADD CONSTRAINT known_rule CHECK (
    vat_rule IN ('domestic', 'overseas', 'overseas_exempt', 'reverse_charge', 'unverified', 'outside_eu'));
CREATE TABLE "number_series" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "last" BIGINT NOT NULL,
    "last_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "number_series" ADD CONSTRAINT counts_from_one CHECK (last > 0);
INSERT INTO number_series (code, last, last_at)
SELECT substring(number FOR 6), max(substring(number FROM 8)::bigint), max(ordered_at)
FROM purchase_order WHERE number ~ '^P-[0-9]{4}-[0-9]{6,}$' GROUP BY 1;
CREATE TABLE "billing_details" (
    "partner" UUID PRIMARY KEY NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "street" TEXT NOT NULL,
    "postcode" TEXT NOT NULL,
    "city" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "changed_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "billing_details" ADD CONSTRAINT address_is_whole CHECK (length(street) BETWEEN 1 AND 200 AND length(city) BETWEEN 1 AND 100);
CREATE TABLE "invoice" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "number" TEXT UNIQUE NOT NULL,
    "series" TEXT NOT NULL,
    "position" BIGINT NOT NULL,
    "previous" TEXT UNIQUE REFERENCES "invoice" ("number") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "entry" BIGINT UNIQUE NOT NULL REFERENCES "journal_entry" ("id") ON DELETE RESTRICT,
    "corrects" TEXT REFERENCES "invoice" ("number") ON DELETE RESTRICT,
    "issued_at" TIMESTAMPTZ NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "document" BYTEA NOT NULL
);
ALTER TABLE "invoice" ADD CONSTRAINT one_a_place UNIQUE ("series", "position");
ALTER TABLE "invoice" ADD CONSTRAINT known_kind CHECK (kind IN ('invoice', 'credit_note'));
ALTER TABLE "invoice" ADD CONSTRAINT series_is_of_its_kind CHECK (
    series ~ CASE kind WHEN 'invoice' THEN '^F-[0-9]{4}$' ELSE '^A-[0-9]{4}$' END);
ALTER TABLE "invoice" ADD CONSTRAINT number_is_its_place CHECK (
    position > 0 AND number = series || '-' ||
    CASE WHEN position < 1000000 THEN lpad(position::text, 6, '0') ELSE position::text END);
ALTER TABLE "invoice" ADD CONSTRAINT follows_the_one_before CHECK (
    CASE WHEN position = 1 THEN previous IS NULL ELSE previous IS NOT NULL AND previous = series || '-' ||
    CASE WHEN position <= 1000000 THEN lpad((position - 1)::text, 6, '0') ELSE (position - 1)::text END END);
ALTER TABLE "invoice" ADD CONSTRAINT a_credit_note_corrects CHECK ((kind = 'credit_note') = (corrects IS NOT NULL));
ALTER TABLE "invoice" ADD CONSTRAINT adds_up CHECK (
    total_minor = net_minor + vat_minor AND total_minor > 0 AND net_minor >= 0 AND vat_minor >= 0);
CREATE INDEX invoice_by_order ON invoice (purchase_order);
CREATE UNIQUE INDEX one_invoice_an_order ON invoice (purchase_order) WHERE kind = 'invoice';
CREATE TABLE "invoice_paper" (
    "invoice" UUID PRIMARY KEY NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "pdf" BYTEA NOT NULL,
    "sha256" TEXT NOT NULL,
    "drawn_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE "invoice_paper" ADD CONSTRAINT hash_is_of_the_file CHECK (sha256 = encode(sha256(pdf), 'hex'));
ALTER TABLE "invoice_paper" ALTER COLUMN "pdf" SET STORAGE EXTERNAL;
CREATE TABLE "export_file" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "format" TEXT NOT NULL,
    "first_day" DATE NOT NULL,
    "last_day" DATE NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "requested_at" TIMESTAMPTZ NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "lines_expected" BIGINT NOT NULL DEFAULT 0,
    "lines_written" BIGINT NOT NULL DEFAULT 0,
    "file_name" TEXT NOT NULL DEFAULT '',
    "sha256" TEXT NOT NULL DEFAULT '',
    "done_at" TIMESTAMPTZ,
    "fault" TEXT
);
ALTER TABLE "export_file" ADD CONSTRAINT known_format CHECK (format IN ('fec', 'beancount', 'hledger'));
ALTER TABLE "export_file" ADD CONSTRAINT known_state CHECK (state IN ('waiting', 'done', 'failed'));
ALTER TABLE "export_file" ADD CONSTRAINT days_are_ordered CHECK (first_day <= last_day);
ALTER TABLE "export_file" ADD CONSTRAINT done_at_an_instant CHECK ((state = 'waiting') = (done_at IS NULL));
CREATE INDEX export_by_request ON export_file (requested_at DESC);
"""


async def add_papers() -> None:
    """Make the tables, and refuse every change of a paper."""
    await execute(SQL)
    for table in APPEND_ONLY:
        await execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


async def forwards() -> MigrationManager:
    """Add the papers."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(add_papers)
    return manager

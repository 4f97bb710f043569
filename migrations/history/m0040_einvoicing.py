"""Migration 40: electronic addresses, corrections of invoices, and what travels through an approved platform.

The version before reads none of the tables. While it still runs beside this one, an invoice that is issued anew makes its
job of invoices fail for a later refund of that order only, until it is replaced.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:40"
VERSION = "1.38.0"
DESCRIPTION = "e-invoicing"
SQL = """
CREATE TABLE "electronic_address" (
    "partner" UUID PRIMARY KEY NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "siren" TEXT NOT NULL,
    "address" TEXT,
    "lines" TEXT NOT NULL DEFAULT '',
    "looked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "siren_is_nine_digits" CHECK (siren ~ '^[0-9]{9}$'),
    CONSTRAINT "address_is_a_line" CHECK (address IS NULL OR address = ANY (string_to_array(lines, ' ')))
);

CREATE TABLE "invoice_correction" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "invoice" TEXT UNIQUE NOT NULL REFERENCES "invoice" ("number") ON DELETE RESTRICT,
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "something_is_left" CHECK (net_minor >= 0 AND vat_minor >= 0 AND net_minor + vat_minor > 0),
    CONSTRAINT "reason_is_given" CHECK (length(btrim(reason)) BETWEEN 3 AND 2000)
);

CREATE TABLE "einvoicing_state" (
    "id" INTEGER PRIMARY KEY NOT NULL,
    "from_at" TIMESTAMPTZ NOT NULL,
    "read_until" TIMESTAMPTZ NOT NULL,
    "error" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "only_one" CHECK (id = 1)
);

CREATE TABLE "transmission" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "invoice" UUID UNIQUE NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "address" TEXT,
    "state" TEXT NOT NULL DEFAULT 'waiting',
    "code" INTEGER,
    "created_at" TIMESTAMPTZ NOT NULL,
    "deposited_at" TIMESTAMPTZ,
    CONSTRAINT "known_state" CHECK (state IN ('waiting', 'queued', 'deposited', 'rejected', 'refused', 'corrected')),
    CONSTRAINT "addressed_before_it_leaves" CHECK (address IS NOT NULL OR state IN ('waiting', 'corrected')),
    CONSTRAINT "deposited_at_an_instant" CHECK ((deposited_at IS NOT NULL) OR state NOT IN ('deposited', 'refused'))
);

CREATE TABLE "life_cycle_event" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "transmission" UUID NOT NULL REFERENCES "transmission" ("id") ON DELETE RESTRICT,
    "source" TEXT UNIQUE NOT NULL,
    "code" INTEGER NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "reason_code" TEXT NOT NULL DEFAULT '',
    "reason" TEXT NOT NULL DEFAULT '',
    "received_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "e_report" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "first_day" DATE NOT NULL,
    "last_day" DATE NOT NULL,
    "sequence" INTEGER NOT NULL,
    "documents" BIGINT NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_kind" CHECK (kind IN ('transactions', 'payments')),
    CONSTRAINT "days_are_ordered" CHECK (first_day <= last_day AND sequence > 0 AND documents > 0),
    CONSTRAINT "one_report_a_place" UNIQUE ("kind", "first_day", "sequence")
);

CREATE TABLE "reported_document" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "invoice" UUID NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "report" UUID NOT NULL REFERENCES "e_report" ("id") ON DELETE RESTRICT,
    CONSTRAINT "once_a_kind" UNIQUE ("invoice", "kind")
);

CREATE TABLE "einvoicing_flow" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "transmission" UUID REFERENCES "transmission" ("id") ON DELETE RESTRICT,
    "report" UUID UNIQUE REFERENCES "e_report" ("id") ON DELETE RESTRICT,
    "name" TEXT NOT NULL,
    "body" BYTEA,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "submitted_at" TIMESTAMPTZ,
    "answered_at" TIMESTAMPTZ,
    "platform_id" TEXT UNIQUE,
    "error" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "known_kind" CHECK (kind IN ('invoice', 'receipt', 'transactions', 'payments')),
    CONSTRAINT "known_state" CHECK (state IN ('pending', 'submitted', 'accepted', 'refused')),
    CONSTRAINT "of_one_thing" CHECK ((kind IN ('invoice', 'receipt')) = (transmission IS NOT NULL) AND num_nonnulls(transmission, report) = 1),
    CONSTRAINT "one_of_each" UNIQUE ("transmission", "kind"),
    CONSTRAINT "submitted_under_an_id" CHECK (state NOT IN ('submitted', 'accepted') OR (platform_id IS NOT NULL AND submitted_at IS NOT NULL))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

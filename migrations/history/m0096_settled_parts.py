"""Migration 96: what settled of a document part by part. The version before says a sale on credit whole, once it is paid."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:00:96"
VERSION = "1.38.0"
DESCRIPTION = "settled parts"
SQL = """
CREATE TABLE "settled_part" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "invoice" UUID NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "source" TEXT NOT NULL,
    "total_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    "settled_at" TIMESTAMPTZ NOT NULL,
    "report" UUID REFERENCES "e_report" ("id") ON DELETE RESTRICT,
    CONSTRAINT "once_a_document" UNIQUE ("invoice", "source"),
    CONSTRAINT "moves_something" CHECK (total_minor <> 0)
);
ALTER TABLE "einvoicing_flow" ADD COLUMN "part" UUID UNIQUE REFERENCES "settled_part" ("id") ON DELETE RESTRICT;
ALTER TABLE "einvoicing_flow"
    DROP CONSTRAINT "of_one_thing",
    ADD CONSTRAINT "of_one_thing" CHECK (
        (kind IN ('invoice', 'receipt')) = (report IS NULL) AND num_nonnulls(transmission, report, part) = 1
        AND (part IS NULL OR kind = 'receipt')
    ) NOT VALID;
ALTER TABLE "einvoicing_flow" VALIDATE CONSTRAINT "of_one_thing";
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table and the column, and widen the CHECK."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

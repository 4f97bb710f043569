"""Migration 120: which way each document goes, kept when it is issued, and what of it is not said yet.

The documents of before are noted by the job in batches, for nothing may be sold while a migration lasts. The version
before reads all documents each time, and writes none of this; what it says meanwhile the job finds said.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-29T00:01:20"
VERSION = "1.38.0"
DESCRIPTION = "which way documents go"
SQL = """
CREATE TABLE "einvoice" (
    "invoice" UUID PRIMARY KEY NOT NULL REFERENCES "invoice" ("id") ON DELETE RESTRICT,
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "travels" BOOLEAN NOT NULL,
    "is_in_parts" BOOLEAN NOT NULL,
    "issued_at" TIMESTAMP WITH TIME ZONE NOT NULL,
    "vat_at" TIMESTAMP WITH TIME ZONE,
    "vat_minor" BIGINT NOT NULL
);
CREATE TABLE "einvoice_unsaid" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "what" TEXT NOT NULL,
    "subject" UUID NOT NULL,
    "at" TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT "known_matter" CHECK (what IN ('transmission', 'receipt', 'transactions', 'payments', 'parts'))
);
ALTER TABLE "einvoicing_state" ADD COLUMN "has_noted" BOOLEAN NOT NULL DEFAULT false;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables and the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

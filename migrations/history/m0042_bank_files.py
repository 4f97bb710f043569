"""Migration 42: bank files that wait for their import, and which columns of a bank's CSV are what; read by this version alone."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:42"
VERSION = "1.38.0"
DESCRIPTION = "bank files"
SQL = """
CREATE TABLE "bank_upload" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "data" BYTEA NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "uploaded_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "csv_mapping" (
    "iban" TEXT PRIMARY KEY NOT NULL,
    "headings" TEXT NOT NULL,
    "columns" TEXT NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "iban_of_csv_is_plain" CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$')
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

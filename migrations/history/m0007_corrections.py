"""Migration 7: what a release was built from, when a line's person was erased, and the retractions of events."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:07"
VERSION = "1.38.0"
DESCRIPTION = "corrections"
SQL = """
ALTER TABLE release ADD COLUMN inputs TEXT NOT NULL DEFAULT '';
ALTER TABLE subscriber ADD COLUMN erased_at TIMESTAMPTZ;
CREATE TABLE "retraction" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "subscriber" BIGINT,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "reason" TEXT NOT NULL,
    "asked_by" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "done_at" TIMESTAMPTZ,
    CONSTRAINT "interval_is_not_empty" CHECK (starts_at < ends_at),
    CONSTRAINT "says_why" CHECK (reason <> '' AND asked_by <> '')
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

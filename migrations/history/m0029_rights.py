"""Migration 29: erasures, last payouts and last letters; the version before writes none, and each has a default for it."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:29"
VERSION = "1.38.0"
DESCRIPTION = "rights"
SQL = """
ALTER TABLE payout_choice ADD COLUMN is_last BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE letter
    ADD COLUMN sealed_to BYTEA,
    ADD COLUMN key_id TEXT;

CREATE TABLE "erasure" (
    "person" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "at" TIMESTAMPTZ NOT NULL,
    "noted_at" TIMESTAMPTZ
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 95: the mark of a sandbox's database. The version before looks at settings alone."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:95"
VERSION = "1.38.0"
DESCRIPTION = "sandbox mark"
SQL = """
CREATE TABLE "sandbox_mark" (
    "id" SMALLINT PRIMARY KEY NOT NULL,
    "begun_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_row" CHECK (id = 1)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

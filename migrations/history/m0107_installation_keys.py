"""Migration 107: which keys belong to this database. The version before does not look at them."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:01:07"
VERSION = "1.38.0"
DESCRIPTION = "installation keys"
SQL = """
CREATE TABLE "installation_key" (
    "name" TEXT PRIMARY KEY NOT NULL,
    "key_id" TEXT NOT NULL,
    "noted_at" TIMESTAMP WITH TIME ZONE NOT NULL
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

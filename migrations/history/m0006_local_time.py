"""Migration 6: a dataset says whose hours and days it counts; those there are count UTC's, as they always did."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:06"
VERSION = "1.38.0"
DESCRIPTION = "local time"
SQL = "ALTER TABLE dataset ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC'"


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

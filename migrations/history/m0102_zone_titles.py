"""Migration 102: what a table of zones is called. The version before does not look at it, and writes none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:01:02"
VERSION = "1.38.0"
DESCRIPTION = "zone titles"
SQL = """
ALTER TABLE "zone_table" ADD COLUMN "title_fr" TEXT NOT NULL DEFAULT '';
ALTER TABLE "zone_table" ADD COLUMN "title_en" TEXT NOT NULL DEFAULT '';
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

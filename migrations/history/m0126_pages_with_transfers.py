"""Migration 126: until when the page of an order is open on which a transfer may be chosen.

Of orders of before it stays unknown, and they count as orders that wait for their transfer; so do those of the version before.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-30T00:01:26"
VERSION = "1.38.0"
DESCRIPTION = "pages with transfers"
SQL = 'ALTER TABLE "quote_acceptance" ADD COLUMN "page_until" TIMESTAMP WITH TIME ZONE;'


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

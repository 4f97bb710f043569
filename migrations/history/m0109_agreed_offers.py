"""Migration 109: beside which offers a subscription was agreed. The version before does not look at them, and writes none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:01:09"
VERSION = "1.38.0"
DESCRIPTION = "agreed offers"
SQL = """
ALTER TABLE "subscription" ADD COLUMN "agreed_offers" TEXT;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

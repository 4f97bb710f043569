"""Migration 67: how many were chosen in a group of a call, with noise. The version before writes nothing there."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:67"
VERSION = "1.38.0"
DESCRIPTION = "noisy winners"
SQL = """
ALTER TABLE "reverse_auction_stratum" ADD COLUMN "winners_about" BIGINT;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

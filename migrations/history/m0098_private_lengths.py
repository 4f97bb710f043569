"""Migration 98: for how many months a private offer is. The version before quotes the dataset's own length alone."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:98"
VERSION = "1.38.0"
DESCRIPTION = "private lengths"
SQL = """
ALTER TABLE "private_offer" ADD COLUMN "months" INTEGER[] NOT NULL DEFAULT '{}';
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 13: a dataset may be counted by week; the version before counts by hour and day, and writes no other grain."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:13"
VERSION = "1.38.0"
DESCRIPTION = "week grain"
SQL = """
ALTER TABLE dataset
    DROP CONSTRAINT known_grain,
    ADD CONSTRAINT known_grain CHECK (grain IN ('hour', 'day', 'week')) NOT VALID;
ALTER TABLE dataset VALIDATE CONSTRAINT known_grain;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Widen the CHECK."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

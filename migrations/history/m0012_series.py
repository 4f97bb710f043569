"""Migration 12: by which method a release was made, and what its counts are multiplied by to speak for all lines.

Releases of before are of method 1; their factor follows from their own figures, since a sealed row is never edited.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:12"
VERSION = "1.38.0"
DESCRIPTION = "series"
SQL = """
ALTER TABLE release
    ADD COLUMN method_version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN expansion_micro BIGINT DEFAULT NULL;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

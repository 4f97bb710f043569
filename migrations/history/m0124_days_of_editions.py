"""Migration 124: how long the days of an edition are, and that what its days publish can be noted once.

A job notes it of releases and editions of earlier versions, from their files.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-29T00:01:24"
VERSION = "1.38.0"
DESCRIPTION = "days of editions"
SQL = """
ALTER TABLE "edition" ADD COLUMN IF NOT EXISTS "hours_by_day" BIGINT[] NOT NULL DEFAULT '{}';
DROP TRIGGER IF EXISTS append_only ON "edition";
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column, and take off what refuses to note anything."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

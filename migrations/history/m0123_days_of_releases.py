"""Migration 123: how much of a release is published of each day and zone.

Prices are of what each day holds. What is published of the days of earlier releases stays unknown, and is priced as
spread evenly over their period, as it was.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-29T00:01:23"
VERSION = "1.38.0"
DESCRIPTION = "days of releases"
SQL = """
ALTER TABLE "release"
    ADD COLUMN "hours_by_day" BIGINT[] NOT NULL DEFAULT '{}',
    ADD COLUMN "published_by_day" BIGINT[] NOT NULL DEFAULT '{}',
    ADD COLUMN "published_by_zone" BIGINT[] NOT NULL DEFAULT '{}';
ALTER TABLE "edition"
    ADD COLUMN "published_by_day" BIGINT[] NOT NULL DEFAULT '{}',
    ADD COLUMN "published_by_zone" BIGINT[] NOT NULL DEFAULT '{}';
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

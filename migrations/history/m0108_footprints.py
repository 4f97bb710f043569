"""Migration 108: where datasets with a release lie. The version before does not look at it, and its releases add to it."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:01:08"
VERSION = "1.38.0"
DESCRIPTION = "footprints"
SQL = """
CREATE TABLE "footprint" (
    "dataset" TEXT PRIMARY KEY NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "west" INTEGER,
    "south" INTEGER,
    "east" INTEGER,
    "north" INTEGER,
    "measured_at" TIMESTAMP WITH TIME ZONE,
    CONSTRAINT "is_a_box" CHECK (num_nulls(west, south, east, north) IN (0, 4) AND west <= east AND south <= north),
    CONSTRAINT "is_measured" CHECK (west IS NULL OR measured_at IS NOT NULL)
);
INSERT INTO "footprint" ("dataset") SELECT DISTINCT "dataset" FROM "release" WHERE "state" = 'sealed';
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table, and every dataset that has a release."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

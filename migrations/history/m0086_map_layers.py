"""Migration 86: layers that the operator draws on maps. The version before draws none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:86"
VERSION = "1.38.0"
DESCRIPTION = "map layers"
SQL = """
CREATE TABLE "map_layer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "document" TEXT NOT NULL,
    "shape_count" INTEGER NOT NULL,
    "corner_count" INTEGER NOT NULL,
    "added_by" TEXT NOT NULL,
    "added_at" TIMESTAMPTZ NOT NULL,
    "removed_by" TEXT NOT NULL DEFAULT '',
    "removed_at" TIMESTAMPTZ,
    CONSTRAINT "known_kind" CHECK (kind IN ('water', 'road', 'outline', 'place')),
    CONSTRAINT "has_a_title" CHECK (length(title) BETWEEN 1 AND 80),
    CONSTRAINT "has_shapes" CHECK (shape_count > 0 AND corner_count > 0),
    CONSTRAINT "is_removed_by_somebody" CHECK ((removed_at IS NULL) = (removed_by = ''))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 87: zones that companies keep. The version before keeps none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:87"
VERSION = "1.38.0"
DESCRIPTION = "kept zones"
SQL = """
CREATE TABLE "kept_zones" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "name" TEXT NOT NULL,
    "zones" TEXT NOT NULL,
    "kept_by" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "kept_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "has_a_name" CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT "is_short" CHECK (length(zones) BETWEEN 1 AND 100000)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

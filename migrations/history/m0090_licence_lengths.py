"""Migration 90: the lengths that licences are sold for besides an offer's own. The version before sells its own alone."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:90"
VERSION = "1.38.0"
DESCRIPTION = "licence lengths"
SQL = """
CREATE TABLE "offer_length" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    CONSTRAINT "each_length_once" UNIQUE ("offer", "terms")
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

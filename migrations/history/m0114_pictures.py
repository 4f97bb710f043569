"""Migration 114: pictures that were drawn. The version before does not look at them, and what it seals or calls back is heeded."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-29T00:01:14"
VERSION = "1.38.0"
DESCRIPTION = "pictures"
SQL = """
CREATE TABLE "picture" (
    "dataset" TEXT PRIMARY KEY NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "version" UUID NOT NULL,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "depends_on" UUID[] NOT NULL,
    "drawn" BYTEA NOT NULL,
    "drawn_at" TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT "depends_on_its_own" CHECK (release = ANY (depends_on))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table; a job fills it."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

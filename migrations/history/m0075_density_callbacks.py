"""Migration 75: answers of population density that are owed to a sink. The version before keeps them in memory."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:75"
VERSION = "1.38.0"
DESCRIPTION = "density callbacks"
SQL = """
CREATE TABLE "density_callback" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "key_id" TEXT NOT NULL,
    "request" BYTEA NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "attempts_are_counted" CHECK (attempts >= 0)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

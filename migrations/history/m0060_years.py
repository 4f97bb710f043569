"""Migration 60: years that two people close, with what their file was written with."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:01:00"
VERSION = "1.38.0"
DESCRIPTION = "years"
SQL = """
CREATE TABLE "year_close" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "year" INTEGER NOT NULL,
    "result_minor" BIGINT NOT NULL,
    "carried_minor" BIGINT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    "words" JSONB NOT NULL DEFAULT '{}',
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decided_by, decided_at, approved) IN (0, 3))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

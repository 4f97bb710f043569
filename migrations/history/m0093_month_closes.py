"""Migration 93: who proposed to close a month, and who agreed. The version before closes months without."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:00:93"
VERSION = "1.38.0"
DESCRIPTION = "month closes"
SQL = """
CREATE TABLE "month_close" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "month" DATE NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
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

"""Migration 51: lines of a child, a business or several people, and maps that people ask for of their own events.

The version before writes none of them.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:51"
VERSION = "1.38.0"
DESCRIPTION = "my data"
SQL = """
CREATE TABLE "line_kind" (
    "subscriber" BIGINT PRIMARY KEY NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "stated_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_kind" CHECK (kind IN ('child', 'business', 'shared'))
);

CREATE TABLE "own_map" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL,
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "public_key" TEXT NOT NULL,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "sealed" BYTEA
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 48: credentials of Delta Sharing. The version before reads no such table."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:48"
VERSION = "1.38.0"
DESCRIPTION = "sharing"
SQL = """
CREATE TABLE "sharing_credential" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "kind" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "secret_hash" TEXT UNIQUE,
    "public_key" TEXT,
    "created_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    "revoked_at" TIMESTAMPTZ,
    CONSTRAINT "known_kind" CHECK (kind IN ('bearer', 'basic', 'key_pair')),
    CONSTRAINT "shows_one_thing" CHECK ((kind = 'key_pair') = (public_key IS NOT NULL) AND num_nonnulls(secret_hash, public_key) = 1),
    CONSTRAINT "ends_after_it_begins" CHECK (created_at < ends_at)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 47: personal links to an entitlement's files; a download may be in any format that the registry lists.

The version before reads no such table, and records downloads in the formats that it knows.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:47"
VERSION = "1.38.0"
DESCRIPTION = "links"
SQL = """
ALTER TABLE "download" DROP CONSTRAINT "known_format";

CREATE TABLE "personal_link" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "entitlement" UUID NOT NULL REFERENCES "entitlement" ("id") ON DELETE RESTRICT,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "label" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    "revoked_at" TIMESTAMPTZ,
    CONSTRAINT "label_is_given" CHECK (length(btrim(label)) BETWEEN 1 AND 80),
    CONSTRAINT "ends_after_it_begins" CHECK (created_at < ends_at)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table, and drop the list of formats."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 94: which assertions of key pairs were shown to Delta Sharing. The version before takes each as often as it comes."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:94"
VERSION = "1.38.0"
DESCRIPTION = "used assertions"
SQL = """
CREATE TABLE "used_assertion" (
    "sha256" TEXT PRIMARY KEY NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "is_digest" CHECK (length(sha256) = 64)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 20: from which backups the database ever went on."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:20"
VERSION = "1.38.0"
DESCRIPTION = "restorations"
SQL = """
CREATE TABLE "restoration" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "backed_up_at" TIMESTAMPTZ NOT NULL,
    "restored_at" TIMESTAMPTZ NOT NULL,
    "backup_sha256" TEXT NOT NULL
);
"""


async def _make() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Make the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_make)
    return manager

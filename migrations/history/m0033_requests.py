"""Migration 33: requests of staff that are being answered; the version before notes them once they are."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:33"
VERSION = "1.38.0"
DESCRIPTION = "requests"
SQL = """
CREATE TABLE "staff_request" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "person" UUID NOT NULL,
    "route" TEXT NOT NULL,
    "subject" TEXT NOT NULL
);
"""


async def _create() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager

"""Migration 100: the postcodes of towns, for addresses written without one. The version before does not look at them."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:01:00"
VERSION = "1.38.0"
DESCRIPTION = "address towns"
SQL = """
CREATE TABLE "address_town" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "load" BIGINT NOT NULL,
    "town" BIGINT NOT NULL,
    "postcode" TEXT NOT NULL,
    CONSTRAINT "postcode_once" UNIQUE ("load", "town", "postcode"),
    CONSTRAINT "is_postcode" CHECK (postcode ~ '^[0-9]{1,5}$')
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

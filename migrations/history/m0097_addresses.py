"""Migration 97: the operator's addresses. The version before does not look at them."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:97"
VERSION = "1.38.0"
DESCRIPTION = "addresses"
SQL = """
CREATE TABLE "address_load" (
    "number" INTEGER PRIMARY KEY NOT NULL,
    "sha256" TEXT NOT NULL,
    "address_count" INTEGER NOT NULL,
    "loaded_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "has_addresses" CHECK (number > 0 AND address_count > 0)
);
CREATE TABLE "address" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "load" BIGINT NOT NULL,
    "key" BIGINT NOT NULL,
    "town" BIGINT NOT NULL,
    "latitude_micro" BIGINT NOT NULL,
    "longitude_micro" BIGINT NOT NULL,
    CONSTRAINT "each_once" UNIQUE ("load", "key", "town"),
    CONSTRAINT "is_on_earth" CHECK (abs(latitude_micro) <= 90000000 AND abs(longitude_micro) <= 180000000)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

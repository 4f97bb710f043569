"""Migration 88: looks at what is for sale by day, and reasons for not buying. The version before counts none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:88"
VERSION = "1.38.0"
DESCRIPTION = "interest"
SQL = """
CREATE TABLE "listing_day" (
    "id" SERIAL PRIMARY KEY NOT NULL,
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "day" DATE NOT NULL,
    "seen" INTEGER NOT NULL DEFAULT 0,
    "previewed" INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT "one_row_a_day" UNIQUE ("dataset", "day"),
    CONSTRAINT "counts_grow" CHECK (seen >= 0 AND previewed >= 0)
);

CREATE TABLE "not_bought" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "given_at" TIMESTAMPTZ NOT NULL
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

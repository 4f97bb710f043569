"""Migration 64: offers to one partner alone. The version before reads no such table, and signs no such price."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:64"
VERSION = "1.38.0"
DESCRIPTION = "private offers"
SQL = """
CREATE TABLE "private_offer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "basis_points" INTEGER NOT NULL,
    "made_by" TEXT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "withdrawn_at" TIMESTAMPTZ,
    CONSTRAINT "half_at_least" CHECK (basis_points BETWEEN 5000 AND 9900),
    CONSTRAINT "ends_later" CHECK (made_at < ends_at)
);

CREATE TABLE "private_quote" (
    "quote" UUID PRIMARY KEY NOT NULL REFERENCES "quote" ("id") ON DELETE RESTRICT,
    "private_offer" UUID NOT NULL REFERENCES "private_offer" ("id") ON DELETE RESTRICT
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

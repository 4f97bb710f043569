"""Migration 43: what datasets are found by; the version before searches offers and datasets themselves."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:43"
VERSION = "1.38.0"
DESCRIPTION = "search"
SQL = """
CREATE TABLE "search_card" (
    "dataset" TEXT PRIMARY KEY NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "is_listed" BOOLEAN NOT NULL DEFAULT false,
    "words" TEXT NOT NULL DEFAULT '',
    "stems" TEXT NOT NULL DEFAULT '',
    "area" TEXT NOT NULL DEFAULT '',
    "indicator" TEXT NOT NULL DEFAULT '',
    "zones" TEXT NOT NULL DEFAULT '',
    "grain" TEXT NOT NULL DEFAULT '',
    "cadence" TEXT NOT NULL DEFAULT '',
    "price_minor" BIGINT,
    "coverage_basis_points" INTEGER NOT NULL DEFAULT 0,
    "period_to" TIMESTAMPTZ,
    "version" BIGINT NOT NULL,
    "looked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "price_is_positive" CHECK (price_minor > 0),
    CONSTRAINT "coverage_is_a_share" CHECK (coverage_basis_points BETWEEN 0 AND 10000)
);

CREATE TABLE "dataset_change" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT
);

INSERT INTO "dataset_change" ("dataset") SELECT "dataset" FROM "offer";
"""


async def _create() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the tables, and look at every dataset that is for sale."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager

"""Migration 50: what a consent covers, sectors of buyers and of datasets, variants, pauses, and guarded lines.

The version before writes consents that cover all that their notice says, and datasets that may be sold to every sector.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:50"
VERSION = "1.38.0"
DESCRIPTION = "switches"
SQL = """
ALTER TABLE consent_record ADD COLUMN covers TEXT;
ALTER TABLE dataset
    ADD COLUMN sectors TEXT[] NOT NULL DEFAULT '{}',
    ADD COLUMN variant_of TEXT REFERENCES dataset (code) ON DELETE RESTRICT;

CREATE TABLE "partner_sector" (
    "partner" UUID PRIMARY KEY NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "sector" TEXT NOT NULL,
    "stated_by" TEXT NOT NULL,
    "stated_at" TIMESTAMPTZ NOT NULL
);

CREATE TABLE "consent_pause" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "subscriber" BIGINT NOT NULL REFERENCES "subscriber" ("reference") ON DELETE RESTRICT,
    "paused_at" TIMESTAMPTZ NOT NULL,
    "resumed_at" TIMESTAMPTZ
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

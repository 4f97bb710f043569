"""Migration 119: orders of a release that was paid by another order. The version before does not look at them."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-29T00:01:19"
VERSION = "1.38.0"
DESCRIPTION = "duplicate orders"
SQL = """
CREATE TABLE "duplicate_order" (
    "purchase_order" UUID PRIMARY KEY NOT NULL REFERENCES purchase_order (id) ON DELETE RESTRICT,
    "noted_at" TIMESTAMP WITH TIME ZONE NOT NULL,
    "state" TEXT NOT NULL,
    "first" UUID REFERENCES purchase_order (id) ON DELETE RESTRICT,
    CONSTRAINT "known_state" CHECK (state IN ('noted', 'closed', 'refunded', 'kept')),
    CONSTRAINT "decided_beside_the_first" CHECK (state NOT IN ('closed', 'refunded') OR first IS NOT NULL),
    CONSTRAINT "is_not_its_own" CHECK (first <> purchase_order)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

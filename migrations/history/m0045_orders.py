"""Migration 45: an order's own reference, and why it buys again what its partner has; the version before writes neither."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:45"
VERSION = "1.38.0"
DESCRIPTION = "orders"
SQL = """
ALTER TABLE "purchase_order"
    ADD COLUMN "reference" TEXT NOT NULL DEFAULT '',
    ADD COLUMN "second_reason" TEXT NOT NULL DEFAULT '';
ALTER TABLE "purchase_order"
    ADD CONSTRAINT "texts_are_bounded" CHECK (length(reference) <= 60 AND length(second_reason) <= 500) NOT VALID;
ALTER TABLE "purchase_order" VALIDATE CONSTRAINT "texts_are_bounded";
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

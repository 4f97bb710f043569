"""Migration 130: orders of a basket that wait for its dearer ones to be paid.

None of before does: each was charged at once, and the version before still charges so.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-30T00:01:30"
VERSION = "1.38.0"
DESCRIPTION = "waiting orders"
SQL = """
ALTER TABLE "purchase_order" ADD COLUMN "waits_for" UUID[] NOT NULL DEFAULT '{}';
ALTER TABLE "purchase_order"
ADD CONSTRAINT "waits_unpaid" CHECK (waits_for = '{}' OR state = 'awaiting_payment') NOT VALID;
ALTER TABLE "purchase_order" VALIDATE CONSTRAINT "waits_unpaid";
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column: no order of before waits."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

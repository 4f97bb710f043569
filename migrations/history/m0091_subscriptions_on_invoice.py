"""Migration 91: how a subscription is paid. The version before pays each by the saved method, as it did."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:00:91"
VERSION = "1.38.0"
DESCRIPTION = "subscriptions on invoice"
SQL = """
ALTER TABLE "subscription" ADD COLUMN "pay_by" TEXT NOT NULL DEFAULT 'saved_method';
ALTER TABLE "subscription" ADD CONSTRAINT "known_way_to_pay" CHECK (pay_by IN ('saved_method', 'invoice')) NOT VALID;
ALTER TABLE "subscription" VALIDATE CONSTRAINT "known_way_to_pay";
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 121: until when an ordered quote may be paid, beginning with the orders that wait for a transfer now.

The version before accepts quotes without an end, and ends none: what it accepts or closes meanwhile delays nobody.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-29T00:01:21"
VERSION = "1.38.0"
DESCRIPTION = "until when ordered quotes may be paid"
COLUMN = """ALTER TABLE "quote_acceptance" ADD COLUMN "payable_until" TIMESTAMP WITH TIME ZONE;"""
FILL = """
UPDATE "quote_acceptance"
SET "payable_until" = "purchase_order"."ordered_at" + interval '14 days'
FROM "purchase_order"
JOIN "payment" ON "payment"."subject" = "purchase_order"."id"
JOIN "quote" ON "quote"."id" = "purchase_order"."quote"
WHERE "purchase_order"."quote" = "quote_acceptance"."quote"
  AND "purchase_order"."state" = 'awaiting_payment'
  AND "payment"."transfer" IS NOT NULL
  AND "quote"."auction" IS NULL;
"""


async def _alter() -> None:
    await execute(COLUMN)
    await execute(FILL)


async def forwards() -> MigrationManager:
    """Add the column, and fill it for the orders that wait."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

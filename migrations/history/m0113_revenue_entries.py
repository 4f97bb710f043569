"""Migration 113: the entries behind revenue with their keys, and sums of shares, so that pages read few rows by index.

All that was summed waits once more, for the job to write its entries too; pages are right meanwhile. A database of the
days between two versions may have the tables already.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute, execute_long

ID = "2026-11-28T00:01:13"
VERSION = "1.38.0"
DESCRIPTION = "entries of revenue"
SQL = """
CREATE TABLE IF NOT EXISTS "share_sum" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "day" DATE NOT NULL,
    "dataset" TEXT NOT NULL,
    "judgement" TEXT NOT NULL,
    "shares_minor" BIGINT NOT NULL,
    CONSTRAINT "one_share_sum_a_day" UNIQUE ("day", "dataset", "judgement")
);

CREATE TABLE IF NOT EXISTS "revenue_entry" (
    "entry" BIGINT PRIMARY KEY NOT NULL,
    "at" TIMESTAMP WITH TIME ZONE NOT NULL,
    "kind" TEXT NOT NULL,
    "purchase_order" UUID NOT NULL,
    "number" TEXT NOT NULL,
    "dataset" TEXT NOT NULL,
    "partner" UUID NOT NULL,
    "vat" TEXT NOT NULL,
    "way" TEXT NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL
);
"""
FILL = """
LOCK TABLE journal_entry IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM revenue_sum;
DELETE FROM share_sum;
DELETE FROM revenue_entry;
INSERT INTO unsummed_entry (entry)
SELECT id FROM journal_entry WHERE kind IN (
    'sale', 'refund', 'dispute_lost', 'sale_cancelled', 'sale_reissued',
    'shares_held', 'shares_cancelled', 'shares_lost'
)
ON CONFLICT (entry) DO NOTHING;
"""
"""The lock lasts until the trigger notes entries of shares too, which the same run sees to: none slips in between."""


async def _alter() -> None:
    await execute(SQL)
    await execute_long(FILL)


async def forwards() -> MigrationManager:
    """Add the tables, and what is to be summed again."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

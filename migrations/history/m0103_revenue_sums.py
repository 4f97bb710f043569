"""Migration 103: what was sold a day, to whom and how, kept, so that pages of revenue read days in place of entries.

The entries that are there wait for the job that sums them, which takes some seconds a million; pages are right meanwhile.
The version before does not read the sums; what it posts waits like all else, by the trigger.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute, execute_long

ID = "2026-11-28T00:01:03"
VERSION = "1.38.0"
DESCRIPTION = "sums of revenue"
SQL = """
CREATE TABLE "unsummed_entry" (
    "entry" BIGINT PRIMARY KEY NOT NULL
);

CREATE TABLE "revenue_sum" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "side" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "day" DATE NOT NULL,
    "orders" BIGINT NOT NULL,
    "net_minor" BIGINT NOT NULL,
    "vat_minor" BIGINT NOT NULL,
    CONSTRAINT "one_sum_a_day" UNIQUE ("side", "day", "key"),
    CONSTRAINT "known_side" CHECK (side IN ('dataset', 'partner', 'vat', 'way'))
);
"""
FILL = """
LOCK TABLE journal_entry IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO unsummed_entry (entry)
SELECT id FROM journal_entry WHERE kind IN ('sale', 'refund', 'dispute_lost', 'sale_cancelled', 'sale_reissued');
"""
"""The lock lasts until the trigger is there, which the same run creates: no entry slips in between."""


async def _alter() -> None:
    await execute(SQL)
    await execute_long(FILL)


async def forwards() -> MigrationManager:
    """Add the tables, and what is to be summed to one of them."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

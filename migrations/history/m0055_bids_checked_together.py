"""Migration 55: the partner and the auction of bids are checked a statement at a time, by a trigger, instead of row by row.

Foreign keys were a seventh of what placing a bid costs. The trigger is applied by `migrate` in the same run. The version
before adds rows as it did.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:55"
VERSION = "1.38.0"
DESCRIPTION = "bids checked together"
SQL = """
ALTER TABLE bid DROP CONSTRAINT bid_auction_fkey, DROP CONSTRAINT bid_partner_fkey;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Drop the keys."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 43: each lot of an auction has a reserve of its own, for a bundle may be of several datasets."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:43"
VERSION = "1.38.0"
DESCRIPTION = "lots of several offers"

SQL = """
ALTER TABLE auction_lot ADD COLUMN reserve_minor BIGINT;
ALTER TABLE auction_lot DISABLE TRIGGER append_only;
UPDATE auction_lot SET reserve_minor = auction.reserve_minor FROM auction WHERE auction.id = auction_lot.auction;
ALTER TABLE auction_lot ENABLE TRIGGER append_only;
ALTER TABLE auction_lot ALTER COLUMN reserve_minor SET NOT NULL;
ALTER TABLE auction_lot ADD CONSTRAINT reserve_is_positive CHECK (reserve_minor > 0);
"""


async def forwards() -> MigrationManager:
    """Give every lot its auction's reserve, which was each one's."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

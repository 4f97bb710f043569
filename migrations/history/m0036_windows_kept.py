"""Migration 36: an exclusive window that is bid for is kept free; a sale whose release was called back is nobody's debt."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:36"
VERSION = "1.38.0"
DESCRIPTION = "windows kept"

SQL = """
ALTER TABLE exclusive_window ALTER COLUMN partner DROP NOT NULL;
ALTER TABLE auction_sale DROP CONSTRAINT known_state;
ALTER TABLE auction_sale ADD CONSTRAINT known_state CHECK (state IN ('due', 'paid', 'defaulted', 'called_back'));
CREATE INDEX exclusive_window_by_offer ON exclusive_window (offer, starts_at);
"""


async def forwards() -> MigrationManager:
    """Let a window have no holder yet, and a sale end without a payment or a fault."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

"""Migration 79: the public log has that an auction was cancelled. The version before states it of none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:79"
VERSION = "1.38.0"
DESCRIPTION = "cancelled auctions"
SQL = """
ALTER TABLE log_fact
    DROP CONSTRAINT known_kind,
    ADD CONSTRAINT known_kind CHECK (
        kind IN ('release_sealed', 'release_recalled', 'auction_opened', 'auction_closed', 'auction_awarded',
                 'auction_awarded_again', 'auction_cancelled')
    ) NOT VALID;
ALTER TABLE log_fact VALIDATE CONSTRAINT known_kind;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Widen the CHECK."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

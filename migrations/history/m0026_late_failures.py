"""Migration 26: money goes back too where a payment fails after it had been made."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:26"
VERSION = "1.38.0"
DESCRIPTION = "late failures"

SQL = """
ALTER TABLE money_back
    DROP CONSTRAINT known_kind,
    ADD CONSTRAINT known_kind
        CHECK (kind IN ('refund', 'dispute', 'failure') AND (kind = 'dispute') = (dispute IS NOT NULL));
CREATE INDEX balance_transaction_failed ON balance_transaction (charge_id) WHERE category = 'charge_failure';
"""


async def forwards() -> MigrationManager:
    """Widen the check."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

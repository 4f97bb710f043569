"""Migration 48: a transfer's command is found by the transfer, for what is taken back at Stripe."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-25T00:00:48"
VERSION = "1.38.0"
DESCRIPTION = "transfers found"

SQL = "CREATE INDEX command_by_transfer ON stripe_command (object_id) WHERE verb = 'transfer'"


async def forwards() -> MigrationManager:
    """Add the index."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

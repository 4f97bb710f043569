"""Migration 27: a finished run keeps how many its job found or moved, where it counts."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:27"
VERSION = "1.38.0"
DESCRIPTION = "found by jobs"

SQL = """
ALTER TABLE job_run ADD COLUMN found BIGINT DEFAULT NULL;
CREATE INDEX stripe_event_lost ON stripe_event (lost_at) WHERE lost_at IS NOT NULL;
"""


async def forwards() -> MigrationManager:
    """Add the column, and what counts lost events."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

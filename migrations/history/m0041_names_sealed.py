"""Migration 41: subscribers' names and emails are sealed; the daily job seals those that are here already."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:41"
VERSION = "1.38.0"
DESCRIPTION = "names sealed"

SQL = """
ALTER TABLE person ADD COLUMN sealed BYTEA, ADD COLUMN key_id TEXT;
ALTER TABLE person ADD CONSTRAINT only_subscribers_are_sealed
    CHECK ((sealed IS NULL) = (key_id IS NULL) AND (sealed IS NULL OR subscriber IS NOT NULL AND name = ''));
"""


async def forwards() -> MigrationManager:
    """Add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def alter() -> None:
        await execute(SQL)

    manager.add_raw(alter)
    return manager

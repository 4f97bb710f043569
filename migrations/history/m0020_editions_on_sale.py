"""Migration 20: a quote is for one accuracy level of a release."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:20"
VERSION = "1.38.0"
DESCRIPTION = "editions on sale"

SQL = """
ALTER TABLE quote ADD COLUMN level INTEGER NOT NULL DEFAULT 0, ADD CONSTRAINT levels_count_from_the_finest CHECK (level >= 0);
"""


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def create() -> None:
        await execute(SQL)

    manager.add_raw(create)
    return manager

"""Migration 40: a preview's id stands for one question of one partner, whatever is asked under it later."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:40"
VERSION = "1.38.0"
DESCRIPTION = "preview questions"

SQL = """
ALTER TABLE zone_preview ADD COLUMN question TEXT NOT NULL DEFAULT '';
CREATE INDEX zone_preview_by_release ON zone_preview (partner, release);
"""


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def alter() -> None:
        await execute(SQL)

    manager.add_raw(alter)
    return manager

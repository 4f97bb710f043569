"""Migration 25: what a dataset counts: presence, flows or stays."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:25"
VERSION = "1.38.0"
DESCRIPTION = "products"

SQL = """
ALTER TABLE dataset
    ADD COLUMN product TEXT NOT NULL DEFAULT 'presence',
    ADD CONSTRAINT known_product CHECK (product IN ('presence', 'flows', 'stays')),
    ADD CONSTRAINT stays_are_of_days CHECK (product <> 'stays' OR grain = 'day'),
    ADD CONSTRAINT only_presence_adds_up CHECK (product = 'presence' OR (max_zones = 0 AND parent_resolution = 0));
"""


async def forwards() -> MigrationManager:
    """Add the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

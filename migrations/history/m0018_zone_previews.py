"""Migration 18: partners may ask how much of a release survives in their own zones, a few times a day."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:18"
VERSION = "1.38.0"
DESCRIPTION = "zone previews"

SQL = """
CREATE TABLE zone_preview (
    id UUID PRIMARY KEY,
    partner UUID NOT NULL REFERENCES partner (id) ON DELETE RESTRICT,
    release UUID NOT NULL REFERENCES release (id) ON DELETE RESTRICT,
    zone_count INTEGER NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT asks_for_zones CHECK (zone_count > 0)
);
CREATE INDEX zone_preview_by_partner ON zone_preview (partner, asked_at);
"""


async def forwards() -> MigrationManager:
    """Create the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def create() -> None:
        await execute(SQL)

    manager.add_raw(create)
    return manager

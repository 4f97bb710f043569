"""Migration 45: datasets may be counted over the operator's own zones, written down once."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:45"
VERSION = "1.38.0"
DESCRIPTION = "zone tables"

SQL = """
CREATE TABLE zone_table (
    code TEXT PRIMARY KEY,
    document TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    zone_count INTEGER NOT NULL,
    defined_by TEXT NOT NULL,
    defined_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT code_is_a_slug CHECK (code ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    CONSTRAINT document_is_the_one_named CHECK (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex')),
    CONSTRAINT has_zones CHECK (zone_count > 0)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON zone_table
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE dataset ADD COLUMN zone_table TEXT REFERENCES zone_table (code) ON DELETE RESTRICT;
"""


async def forwards() -> MigrationManager:
    """Create the table and the column."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def create() -> None:
        await execute(SQL)

    manager.add_raw(create)
    return manager

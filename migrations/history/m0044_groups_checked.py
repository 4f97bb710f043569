"""Migration 44: a call's group may be of age bands, which the operator's own table of subscribers then decides."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:44"
VERSION = "1.38.0"
DESCRIPTION = "groups checked"

SQL = """
ALTER TABLE contributor_stratum ADD COLUMN age_bands TEXT[] NOT NULL DEFAULT '{}';
CREATE TRIGGER bands_are_fixed BEFORE UPDATE ON contributor_stratum FOR EACH ROW
    WHEN (OLD.age_bands IS DISTINCT FROM NEW.age_bands) EXECUTE FUNCTION refuse_change();
"""


async def forwards() -> MigrationManager:
    """Add the column, which is fixed as all of a group is."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager

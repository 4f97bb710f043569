"""Migration 10: a release in whose published figures there happens to be nobody is sold like any other.

That nobody is in them is not published; so such a licence is divided too, and the whole pool is the operator's. The
version before writes rows with people, which the loosened constraint accepts.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:10"
VERSION = "1.38.0"
DESCRIPTION = "empty releases"
SQL = """
ALTER TABLE "licence_split"
    DROP CONSTRAINT "someone_contributed",
    ADD CONSTRAINT "weighs_who_contributed" CHECK (
        (people = 0) = (total_weight = 0) AND total_weight >= 0 AND (total_weight > 0 OR rule = 2)
    ) NOT VALID;
ALTER TABLE "licence_split" VALIDATE CONSTRAINT "weighs_who_contributed";
"""


async def forwards() -> MigrationManager:
    """Loosen what a split's weights may be."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def alter() -> None:
        await execute(SQL)

    manager.add_raw(alter)
    return manager

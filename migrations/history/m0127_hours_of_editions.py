"""Migration 127: how long the days are of editions that the version between 123 and 124 wrote.

It wrote what their days publish, and could not say how long they are: as long as their release's. Where that does not say
it of as many days, nothing is known of the edition's, and the job `note-days` notes it from its file.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-30T00:01:27"
VERSION = "1.38.0"
DESCRIPTION = "hours of editions"
SQL = """
DROP TRIGGER IF EXISTS written_but_for_days ON "edition";
UPDATE "edition"
SET "hours_by_day" = release.hours_by_day
FROM "release"
WHERE release.id = edition.release
  AND edition.hours_by_day = '{}'
  AND edition.published_by_day <> '{}'
  AND cardinality(release.hours_by_day) = cardinality(edition.published_by_day);
UPDATE "edition"
SET "published_by_day" = '{}', "published_by_zone" = '{}'
WHERE "hours_by_day" = '{}'
  AND "published_by_day" <> '{}';
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Write how long they are; the trigger that keeps editions as they are is made again with the functions."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

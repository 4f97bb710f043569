"""Migration 125: maps that were shown once, so that each piece of ground has two of them at most.

What was called back before had a map of its own, of all zones of its dataset, where it was on sale and no other dataset of
the same ground came before it. Flows have none.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-30T00:01:25"
VERSION = "1.38.0"
DESCRIPTION = "former maps"
SQL = """
ALTER TABLE "picture" ADD COLUMN "own_zones" TEXT[];
CREATE TABLE "former_map" (
    "version" UUID PRIMARY KEY NOT NULL,
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "own_zones" TEXT[],
    "drawn" BYTEA,
    "drawn_at" TIMESTAMP WITH TIME ZONE NOT NULL
);
WITH recalled AS (
    SELECT release.id, release.dataset, release.sealed_at, revocation.revoked_at
    FROM revocation
    JOIN release ON release.id = revocation.release
    JOIN dataset ON dataset.code = release.dataset
    JOIN offer ON offer.dataset = release.dataset
    WHERE dataset.product <> 'flows'
      AND offer.listed_at <= revocation.revoked_at
      AND (offer.withdrawn_at IS NULL OR offer.withdrawn_at >= release.sealed_at)
)
INSERT INTO "former_map" ("version", "dataset", "release", "own_zones", "drawn", "drawn_at")
SELECT recalled.id, recalled.dataset, recalled.id, NULL, NULL, recalled.sealed_at
FROM recalled
LEFT JOIN "footprint" AS mine ON mine.dataset = recalled.dataset
WHERE NOT EXISTS (
    SELECT FROM release AS earlier
    JOIN dataset ON dataset.code = earlier.dataset
    LEFT JOIN footprint AS other ON other.dataset = earlier.dataset
    LEFT JOIN revocation AS gone ON gone.release = earlier.id
    WHERE earlier.state = 'sealed'
      AND dataset.product <> 'flows'
      AND (earlier.sealed_at, earlier.id) < (recalled.sealed_at, recalled.id)
      AND (gone.revoked_at IS NULL OR gone.revoked_at > recalled.revoked_at)
      AND (
          earlier.dataset = recalled.dataset
          OR box(point(other.east, other.north), point(other.west, other.south))
              && box(point(mine.east, mine.north), point(mine.west, mine.south))
      )
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table, with what was called back so far, and which zones a picture is the first to show."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

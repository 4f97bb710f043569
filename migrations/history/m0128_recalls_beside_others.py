"""Migration 128: maps of recalls that migration 125 left out, since another dataset's box met their own.

Boxes that meet are not one ground: only where the other one counts by the very same zones did its map stand for both. What
was not all repeated counts as a map of all its dataset's zones: one too many is shown to nobody, one too few to everybody.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-30T00:01:28"
VERSION = "1.38.0"
DESCRIPTION = "recalls beside others"
SQL = """
WITH recalled AS (
    SELECT release.id, release.dataset, release.sealed_at, revocation.revoked_at, dataset.zone_table, dataset.zones
    FROM revocation
    JOIN release ON release.id = revocation.release
    JOIN dataset ON dataset.code = release.dataset
    JOIN offer ON offer.dataset = release.dataset
    WHERE dataset.product <> 'flows'
      AND offer.listed_at <= revocation.revoked_at
      AND (offer.withdrawn_at IS NULL OR offer.withdrawn_at >= release.sealed_at)
      AND NOT EXISTS (SELECT FROM former_map WHERE former_map.release = release.id)
)
INSERT INTO "former_map" ("version", "dataset", "release", "own_zones", "drawn", "drawn_at")
SELECT recalled.id, recalled.dataset, recalled.id, NULL, NULL, recalled.sealed_at
FROM recalled
WHERE NOT EXISTS (
    SELECT FROM release AS earlier
    JOIN dataset ON dataset.code = earlier.dataset
    LEFT JOIN revocation AS gone ON gone.release = earlier.id
    WHERE earlier.state = 'sealed'
      AND dataset.product <> 'flows'
      AND (earlier.sealed_at, earlier.id) < (recalled.sealed_at, recalled.id)
      AND (gone.revoked_at IS NULL OR gone.revoked_at > recalled.revoked_at)
      AND (
          earlier.dataset = recalled.dataset
          OR (
              dataset.zone_table IS NOT DISTINCT FROM recalled.zone_table
              AND dataset.zones @> recalled.zones
          )
      )
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add them."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

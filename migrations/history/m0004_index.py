"""Migration 4: the tables of the index of contributions, and a number for every release that was sold before.

The version before does not know them: what it sells while it still runs gets its number from the job that indexes.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:04"
VERSION = "1.38.0"
DESCRIPTION = "index"
SQL = """
CREATE TABLE "contribution_segment" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "level" INTEGER NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'building',
    "replaces" UUID[] NOT NULL DEFAULT '{}',
    "gains" BIGINT[] NOT NULL DEFAULT '{}',
    "begun_at" TIMESTAMPTZ NOT NULL,
    "retired_at" TIMESTAMPTZ,
    CONSTRAINT "known_state" CHECK (state IN ('building', 'live', 'retired')),
    CONSTRAINT "known_level" CHECK (level BETWEEN 0 AND 2),
    CONSTRAINT "retired_at_an_instant" CHECK ((state = 'retired') = (retired_at IS NOT NULL))
);

CREATE TABLE "contribution_part" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "segment" UUID NOT NULL REFERENCES "contribution_segment" ("id") ON DELETE RESTRICT,
    "number" INTEGER NOT NULL,
    "first_reference" BIGINT NOT NULL,
    "last_reference" BIGINT NOT NULL,
    "pairs" BIGINT NOT NULL,
    "firsts" BIGINT[] NOT NULL,
    "ends" BIGINT[] NOT NULL,
    CONSTRAINT "one_a_number" UNIQUE ("segment", "number"),
    CONSTRAINT "blocks_have_ends" CHECK (cardinality(firsts) = cardinality(ends) AND cardinality(firsts) > 0),
    CONSTRAINT "people_ascend" CHECK (first_reference <= last_reference AND number >= 0 AND pairs > 0)
);

CREATE TABLE "sold_release" (
    "number" BIGSERIAL PRIMARY KEY NOT NULL,
    "release" UUID UNIQUE NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "segment" UUID REFERENCES "contribution_segment" ("id") ON DELETE RESTRICT
);

INSERT INTO "sold_release" ("release")
SELECT "release" FROM "licence" GROUP BY "release" ORDER BY min("sold_at"), "release";
"""


async def _create() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the tables and number the releases."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager

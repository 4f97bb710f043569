"""Migration 29, second part: incidents and their steps; the version before has none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:29:1"
VERSION = "1.38.0"
DESCRIPTION = "incidents"
SQL = """
CREATE TABLE "incident" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "is_drill" BOOLEAN NOT NULL,
    "title" TEXT NOT NULL,
    "known_at" TIMESTAMPTZ NOT NULL,
    "begun_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "begun_at" TIMESTAMPTZ NOT NULL,
    "closed_at" TIMESTAMPTZ,
    CONSTRAINT "title_is_bounded" CHECK (length(title) BETWEEN 3 AND 200),
    CONSTRAINT "known_before_it_was_begun" CHECK (known_at <= begun_at)
);

CREATE TABLE "incident_step" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "incident" UUID NOT NULL REFERENCES "incident" ("id") ON DELETE RESTRICT,
    "step" TEXT NOT NULL,
    "note" TEXT NOT NULL,
    "decided_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "decided_once" UNIQUE ("incident", "step")
);
"""


async def _create() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager

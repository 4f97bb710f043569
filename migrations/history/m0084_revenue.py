"""Migration 84: whether an offer is sold as principal or as agent. The version before shows all revenue gross."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:84"
VERSION = "1.38.0"
DESCRIPTION = "revenue judgements"
SQL = """
CREATE TABLE "revenue_judgement" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "offer" UUID NOT NULL REFERENCES "offer" ("id") ON DELETE RESTRICT,
    "role" TEXT NOT NULL,
    "control" TEXT NOT NULL,
    "risk" TEXT NOT NULL,
    "price" TEXT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    CONSTRAINT "known_role" CHECK (role IN ('principal', 'agent')),
    CONSTRAINT "each_reason_is_given" CHECK (least(length(btrim(control)), length(btrim(risk)), length(btrim(price))) >= 3 AND greatest(length(control), length(risk), length(price)) <= 2000),
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decided_by, decided_at, approved) IN (0, 3))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

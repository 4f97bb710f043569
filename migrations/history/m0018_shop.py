"""Migration 18: notices that ask anew, and changes of offers that are planned for a later day.

The version before publishes notices that ask nobody anew, which is the column's default, and plans no changes.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:18"
VERSION = "1.38.0"
DESCRIPTION = "shop"
SQL = """
ALTER TABLE notice ADD COLUMN asks_anew BOOLEAN NOT NULL DEFAULT false;
CREATE TABLE "offer_change" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "full_worth_minor" BIGINT NOT NULL,
    "worth_days" INTEGER NOT NULL,
    "floor_minor" BIGINT NOT NULL,
    "cap_minor" BIGINT NOT NULL,
    "starts_at" TIMESTAMPTZ NOT NULL,
    "planned_by" TEXT NOT NULL,
    "planned_at" TIMESTAMPTZ NOT NULL,
    "outcome" TEXT NOT NULL DEFAULT '',
    "ended_at" TIMESTAMPTZ,
    "refusal" TEXT,
    CONSTRAINT "prices_are_ordered" CHECK (0 < floor_minor AND floor_minor <= cap_minor AND cap_minor <= 100000000000),
    CONSTRAINT "worth_is_positive" CHECK (full_worth_minor > 0 AND worth_days BETWEEN 1 AND 366),
    CONSTRAINT "known_outcome" CHECK (outcome IN ('', 'made', 'refused', 'cancelled')),
    CONSTRAINT "ends_with_an_outcome" CHECK ((outcome = '') = (ended_at IS NULL)),
    CONSTRAINT "refused_for_a_reason" CHECK ((outcome = 'refused') = (refusal IS NOT NULL))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 46: subscriptions to the next releases of a dataset; the version before sells none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:46"
VERSION = "1.38.0"
DESCRIPTION = "subscriptions"
SQL = """
CREATE TABLE "subscription" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "dataset" TEXT NOT NULL REFERENCES "dataset" ("code") ON DELETE RESTRICT,
    "locked_minor" BIGINT NOT NULL,
    "currency" VARCHAR(3) NOT NULL DEFAULT 'EUR',
    "releases" INTEGER NOT NULL,
    "after" TIMESTAMPTZ NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'active',
    "began_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "price_is_positive" CHECK (locked_minor > 0),
    CONSTRAINT "some_releases" CHECK (releases BETWEEN 1 AND 120),
    CONSTRAINT "known_state" CHECK (state IN ('active', 'paused', 'ended')),
    CONSTRAINT "ends_at_an_instant" CHECK ((state = 'ended') = (ended_at IS NOT NULL))
);

CREATE TABLE "subscribed_release" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "subscription" UUID NOT NULL REFERENCES "subscription" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "purchase_order" UUID UNIQUE REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "refusal" TEXT NOT NULL DEFAULT '',
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "ordered_once" UNIQUE ("subscription", "release"),
    CONSTRAINT "ordered_or_refused" CHECK ((purchase_order IS NULL) = (refusal <> ''))
);
"""


async def _create() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager

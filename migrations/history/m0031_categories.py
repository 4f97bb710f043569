"""Migration 31: accounts that two people give categories of Stripe's which the chart does not know.

The version before posts none of those categories, and reads no such account.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:31"
VERSION = "1.38.0"
DESCRIPTION = "categories"
SQL = """
CREATE TABLE "category_account" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "category" TEXT NOT NULL,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    CONSTRAINT "reason_is_given" CHECK (length(btrim(reason)) BETWEEN 3 AND 2000),
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

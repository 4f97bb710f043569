"""Migration 77: what licences are for, what partners mean to do, names of purposes for programs, deletions confirmed.

The version before states licences and purposes without any of it: for every purpose, anywhere, not named; it asks nobody
to confirm that copies are deleted.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:77"
VERSION = "1.38.0"
DESCRIPTION = "licensing"
SQL = """
ALTER TABLE "licence_terms"
    ADD COLUMN "purposes" TEXT[] NOT NULL DEFAULT '{}',
    ADD COLUMN "countries" TEXT[] NOT NULL DEFAULT '{}';

ALTER TABLE "purpose"
    ADD COLUMN "dpv" TEXT NOT NULL DEFAULT '',
    ADD CONSTRAINT "dpv_is_a_name" CHECK (dpv ~ '^[A-Za-z]*$') NOT VALID;
ALTER TABLE "purpose" VALIDATE CONSTRAINT "dpv_is_a_name";

CREATE TABLE "intended_use" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "terms" TEXT NOT NULL REFERENCES "licence_terms" ("code") ON DELETE RESTRICT,
    "usage_right" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "months" INTEGER NOT NULL DEFAULT 0,
    "stated_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_word_each" UNIQUE ("partner", "terms"),
    CONSTRAINT "known_right" CHECK (usage_right IN ('internal', 'publish', 'resell')),
    CONSTRAINT "months_are_some" CHECK (months BETWEEN 0 AND 120)
);

CREATE TABLE "deletion_confirmation" (
    "purchase_order" UUID PRIMARY KEY NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "confirmed_at" TIMESTAMPTZ NOT NULL,
    "confirmed_by" UUID REFERENCES "person" ("id") ON DELETE SET NULL
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 78: partners' own buckets, and what is put there. The version before puts nothing there."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:78"
VERSION = "1.38.0"
DESCRIPTION = "bucket exports"
SQL = """
CREATE TABLE "partner_bucket" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "owner" UUID REFERENCES "person" ("id") ON DELETE SET NULL,
    "endpoint" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "bucket" TEXT NOT NULL,
    "prefix" TEXT NOT NULL DEFAULT '',
    "key_id" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "added_at" TIMESTAMPTZ NOT NULL,
    "disabled_at" TIMESTAMPTZ,
    "disabled_because" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "known_reason" CHECK (disabled_because IN ('', 'removed', 'failing')),
    CONSTRAINT "says_why" CHECK ((disabled_at IS NULL) = (disabled_because = '')),
    CONSTRAINT "credentials_end_with_it" CHECK ((disabled_at IS NULL) = (length(sealed) > 0))
);

CREATE TABLE "bucket_delivery" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "bucket" UUID NOT NULL REFERENCES "partner_bucket" ("id") ON DELETE RESTRICT,
    "entitlement" UUID NOT NULL REFERENCES "entitlement" ("id") ON DELETE RESTRICT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ,
    "delivered_at" TIMESTAMPTZ,
    "last_answer" TEXT NOT NULL DEFAULT '',
    CONSTRAINT "one_delivery_a_purchase" UNIQUE ("bucket", "entitlement"),
    CONSTRAINT "attempts_are_counted" CHECK (attempts >= 0)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

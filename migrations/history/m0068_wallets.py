"""Migration 68: links with European wallets, and a wallet's answer while it waits. The version before knows neither."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:68"
VERSION = "1.38.0"
DESCRIPTION = "wallets"
SQL = """
CREATE TABLE "wallet_link" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "subject" TEXT NOT NULL,
    "person" UUID NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "linked_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "subject_is_a_hash" CHECK (subject ~ '^[0-9a-f]{64}$'),
    CONSTRAINT "one_person_a_subject" UNIQUE ("subject"),
    CONSTRAINT "one_wallet_each" UNIQUE ("person")
);

CREATE TABLE "wallet_answer" (
    "attempt" TEXT PRIMARY KEY NOT NULL,
    "subject" TEXT NOT NULL,
    "answered_at" TIMESTAMPTZ NOT NULL,
    "used" BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT "subject_is_a_hash" CHECK (subject ~ '^[0-9a-f]{64}$')
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 17: keys of the operator's own systems, and the runs that made activation codes."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:17"
VERSION = "1.38.0"
DESCRIPTION = "operators"
SQL = """
CREATE TABLE "operator_key" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "label" TEXT NOT NULL,
    "prefix" TEXT UNIQUE NOT NULL,
    "key_hash" TEXT UNIQUE NOT NULL,
    "scopes" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "last_used_at" TIMESTAMPTZ,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "label_is_given" CHECK (length(label) BETWEEN 1 AND 80),
    CONSTRAINT "may_do_something" CHECK (scopes <> '')
);
CREATE TABLE "letter_run" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "at" TIMESTAMPTZ NOT NULL,
    "codes" BIGINT NOT NULL,
    "sha256" TEXT,
    CONSTRAINT "made_something" CHECK (codes > 0)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 26: links for a new password, letters that confirm an address, and addresses that several people gave.

The version before adds nobody with an address that is there, and signs in one of those who gave it.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:26"
VERSION = "1.38.0"
DESCRIPTION = "recovery"
SQL = """
CREATE TABLE "reset_link" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "person" UUID NOT NULL,
    "created_at" TIMESTAMPTZ NOT NULL,
    "used_at" TIMESTAMPTZ
);

CREATE TABLE "confirmation_letter" (
    "person" UUID PRIMARY KEY NOT NULL REFERENCES "person" ("id") ON DELETE CASCADE,
    "at" TIMESTAMPTZ NOT NULL
);

ALTER TABLE person DROP CONSTRAINT person_email_key;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

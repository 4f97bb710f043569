"""Migration 28: sign-ins, keys and requests of staff in the audit trail too, and a chain of hashes over all of it.

A line of the trail may be about somebody who is erased, so its person is a pseudonym and no foreign key. The version
before writes decisions of staff, which a trigger puts into the chain with all others.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:28"
VERSION = "1.38.0"
DESCRIPTION = "audit trail"
SQL = """
ALTER TABLE staff_action
    DROP CONSTRAINT staff_action_person_fkey,
    ADD COLUMN area TEXT NOT NULL DEFAULT 'decision',
    ADD CONSTRAINT known_area CHECK (area IN ('decision', 'access', 'request')) NOT VALID;
ALTER TABLE staff_action VALIDATE CONSTRAINT known_area;

CREATE TABLE "unlinked_action" (
    "action" BIGINT PRIMARY KEY NOT NULL
);

CREATE TABLE "trail_link" (
    "number" BIGINT PRIMARY KEY NOT NULL,
    "action" BIGINT NOT NULL UNIQUE REFERENCES "staff_action" ("id") ON DELETE RESTRICT,
    "hash" TEXT NOT NULL,
    CONSTRAINT "number_counts_from_one" CHECK (number >= 1),
    CONSTRAINT "hash_is_sha256" CHECK (hash ~ '^[0-9a-f]{64}$')
);

INSERT INTO unlinked_action (action) SELECT id FROM staff_action;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column and the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 35: what a high bid needs, what a winner who does not pay owes, and which terms an auction states.

Auctions that are announced keep what they have: no bid of theirs needs a deposit of its size, any late bid moves their
end, and their transcripts state the terms they were announced with. So do those that the version before announces.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:35"
VERSION = "1.38.0"
DESCRIPTION = "auctions"
SQL = """
ALTER TABLE auction
    ADD COLUMN unsecured_minor BIGINT,
    ADD COLUMN terms_version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN most_extension_seconds INTEGER,
    ADD CONSTRAINT known_terms
        CHECK (terms_version > 0 AND unsecured_minor > 0 AND most_extension_seconds >= 0) NOT VALID;
ALTER TABLE auction VALIDATE CONSTRAINT known_terms;

CREATE TABLE "auction_default" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "owed_minor" BIGINT NOT NULL,
    "decided_at" TIMESTAMPTZ NOT NULL,
    "barred_until" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "once_an_auction" UNIQUE ("auction", "partner"),
    CONSTRAINT "owes_or_not" CHECK (owed_minor >= 0 AND barred_until > decided_at)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

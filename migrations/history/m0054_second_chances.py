"""Migration 54: what a sealed bid's deposit covers, transcripts of second chances, and when a defaulter paid what it owes.

The version before writes none of them. Sealed bids that are placed already have no bound: their deposits were asked for
when they were sealed.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:54"
VERSION = "1.38.0"
DESCRIPTION = "second chances"
SQL = """
ALTER TABLE bid
    ADD COLUMN covered_minor BIGINT,
    ADD CONSTRAINT cover_is_positive CHECK (covered_minor > 0) NOT VALID;
ALTER TABLE bid VALIDATE CONSTRAINT cover_is_positive;

ALTER TABLE auction_default ADD COLUMN settled_at TIMESTAMPTZ;

CREATE TABLE "auction_round" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "auction" UUID NOT NULL REFERENCES "auction" ("id") ON DELETE RESTRICT,
    "round" INTEGER NOT NULL,
    "document" BYTEA NOT NULL,
    "published_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "one_transcript_a_round" UNIQUE ("auction", "round"),
    CONSTRAINT "rounds_follow_the_award" CHECK (round > 1)
);

ALTER TABLE log_fact
    DROP CONSTRAINT known_kind,
    ADD CONSTRAINT known_kind CHECK (
        kind IN ('release_sealed', 'release_recalled', 'auction_opened', 'auction_closed', 'auction_awarded',
                 'auction_awarded_again')
    ) NOT VALID;
ALTER TABLE log_fact VALIDATE CONSTRAINT known_kind;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the table, and widen the CHECK."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

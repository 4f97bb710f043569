"""Migration 3: the month's close of shares, and what shares of former splits are computed from.

The version before goes on reading and writing as it did: what it releases stays as rows of `accrual`, which count.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:03"
VERSION = "1.38.0"
DESCRIPTION = "close"
SQL = """
CREATE TABLE "share_close" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "month" DATE UNIQUE NOT NULL,
    "begun_at" TIMESTAMPTZ NOT NULL,
    "next_reference" BIGINT DEFAULT 0,
    "people" BIGINT NOT NULL DEFAULT 0,
    "shares_micro" BIGINT NOT NULL DEFAULT 0,
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "carry_micro" BIGINT NOT NULL DEFAULT 0,
    "run" BIGINT UNIQUE REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    CONSTRAINT "ends_after_the_last_line" CHECK (run IS NULL OR next_reference IS NULL),
    CONSTRAINT "carries_less_than_a_cent" CHECK (
        carry_micro BETWEEN 0 AND 9999 AND least(people, shares_micro, returned_minor) >= 0
    )
);
CREATE TABLE "closed_share" (
    "close" BIGINT NOT NULL,
    "subscriber" BIGINT NOT NULL,
    "payable_micro" BIGINT NOT NULL,
    CONSTRAINT "is_something" CHECK (payable_micro > 0)
) PARTITION BY LIST (close);
ALTER TABLE "licence_split"
    ADD COLUMN "close" BIGINT,
    ADD CONSTRAINT "licence_split_close_fkey"
        FOREIGN KEY ("close") REFERENCES "share_close" ("id") ON DELETE RESTRICT NOT VALID,
    ADD CONSTRAINT "what_is_being_closed_is_not_cancelled" CHECK (close IS NULL OR state <> 'cancelled') NOT VALID;
ALTER TABLE "licence_split"
    VALIDATE CONSTRAINT "licence_split_close_fkey",
    VALIDATE CONSTRAINT "what_is_being_closed_is_not_cancelled";
ALTER TABLE "former_split"
    ADD COLUMN "total_weight" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "cutoff_remainder" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "cutoff_position" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "topped_up" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "top_up_each_micro" BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN "top_up_position" BIGINT NOT NULL DEFAULT 0;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables, columns and constraints."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

"""Migration 89: payout drafts and replaced files that a job makes, and keys that a draft of millions need not look at.

The version before drafts, and replaces files, within its pages; it does not know that files wait to be replaced, and hands
out none of them, for they would differ from the digest it looks at.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:89"
VERSION = "1.38.0"
DESCRIPTION = "payouts asked for"
SQL = """
ALTER TABLE "payout_run" ADD COLUMN "replace_asked_at" TIMESTAMPTZ;
ALTER TABLE "payout" DROP CONSTRAINT "payout_recredited_by_fkey";

CREATE TABLE "payout_draft_request" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "route" TEXT NOT NULL,
    "asked_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "asked_at" TIMESTAMPTZ NOT NULL,
    "share_micro" INTEGER NOT NULL DEFAULT 0,
    "run" UUID REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "problem" TEXT NOT NULL DEFAULT '',
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "known_route" CHECK (route IN ('sepa', 'stripe')),
    CONSTRAINT "share_is_a_share" CHECK (share_micro BETWEEN 0 AND 1000000),
    CONSTRAINT "ended_with_a_run_or_why_not" CHECK ((ended_at IS NULL) = (run IS NULL AND problem = ''))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column and the table, and drop the key."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

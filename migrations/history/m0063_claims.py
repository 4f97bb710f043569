"""Migration 63: claims of partners, and since when a licence's shares wait for one.

The version before ends the waiting of shares without looking at claims; it files none.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:63"
VERSION = "1.38.0"
DESCRIPTION = "claims"
SQL = """
ALTER TABLE "licence"
    ADD COLUMN "claimed_at" TIMESTAMPTZ,
    ADD CONSTRAINT "a_claim_contests" CHECK (claimed_at IS NULL OR contested_at IS NOT NULL) NOT VALID;
ALTER TABLE "licence" VALIDATE CONSTRAINT "a_claim_contests";

CREATE TABLE "claim" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "reason" TEXT NOT NULL,
    "evidence" TEXT NOT NULL,
    "filed_at" TIMESTAMPTZ NOT NULL,
    "proposal" TEXT NOT NULL DEFAULT '',
    "refund_minor" BIGINT,
    "answer" TEXT NOT NULL DEFAULT '',
    "proposed_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ,
    "outcome" TEXT NOT NULL DEFAULT '',
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "known_reason" CHECK (reason IN ('not_as_described', 'incomplete', 'wrong_figures', 'unreadable')),
    CONSTRAINT "evidence_is_bounded" CHECK (length(btrim(evidence)) BETWEEN 3 AND 4000 AND length(answer) <= 2000),
    CONSTRAINT "known_proposal" CHECK (proposal IN ('', 'refund', 'dismissed')),
    CONSTRAINT "refund_is_an_amount" CHECK ((proposal = 'refund') = (refund_minor IS NOT NULL) AND coalesce(refund_minor, 1) > 0),
    CONSTRAINT "proposed_whole" CHECK (num_nonnulls(proposed_by, proposed_at) = CASE proposal WHEN '' THEN 0 ELSE 2 END),
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "known_outcome" CHECK (outcome IN ('', 'withdrawn') OR (outcome = proposal AND decided_by IS NOT NULL)),
    CONSTRAINT "ends_at_an_instant" CHECK ((outcome = '') = (ended_at IS NULL))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

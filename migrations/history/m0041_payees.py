"""Migration 41: what our bank says of payees' names; the version before pays everybody of a run and reads neither."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:41"
VERSION = "1.38.0"
DESCRIPTION = "verification of payees"
SQL = """
CREATE TABLE "payee_check" (
    "payout" UUID PRIMARY KEY NOT NULL REFERENCES "payout" ("id") ON DELETE RESTRICT,
    "outcome" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "checked_at" TIMESTAMPTZ NOT NULL,
    "decision" TEXT,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    CONSTRAINT "known_outcome" CHECK (outcome IN ('match', 'close', 'none', 'unknown') AND source IN ('api', 'file')),
    CONSTRAINT "known_decision" CHECK (decision IN ('pay', 'left_out') AND outcome <> 'match' OR decision IS NULL),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decision, decided_by, decided_at) IN (0, 3))
);

ALTER TABLE "payout_run" ADD COLUMN "file_sequence" INTEGER NOT NULL DEFAULT 0;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table, and how often a run's file was replaced."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

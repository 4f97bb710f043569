"""Migration 74: what people decide about lines that share an account or a browser, and bank details that wait for it.

The version before decides nothing, and would pay to bank details that wait: finish the upgrade before somebody decides.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:74"
VERSION = "1.38.0"
DESCRIPTION = "farm decisions"
SQL = """
ALTER TABLE "bank_details" ADD COLUMN "held_at" TIMESTAMPTZ;

CREATE TABLE "farm_decision" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "lines" BIGINT NOT NULL,
    "decision" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "decided_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_kind" CHECK (kind IN ('account', 'browser')),
    CONSTRAINT "known_decision" CHECK (decision IN ('fine', 'wait')),
    CONSTRAINT "has_lines_and_a_reason" CHECK (lines > 0 AND reason <> '')
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager

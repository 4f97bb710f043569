"""Migration 71: outcomes of asks are rows of their own; promises' terms are checked a statement at a time.

An award wrote each ask again, and looked up the term of each promise: half a minute for a million asks. The version before
awards as it did, and shows no outcome of a call that this version's job awarded.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:71"
VERSION = "1.38.0"
DESCRIPTION = "ask outcomes"
SQL = """
CREATE TABLE "reverse_auction_outcome" (
    "ask" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "reason" TEXT NOT NULL,
    CONSTRAINT "says_why" CHECK (reason <> '')
);

ALTER TABLE contributor_promise DROP CONSTRAINT contributor_promise_term_fkey;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table; drop the key."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
